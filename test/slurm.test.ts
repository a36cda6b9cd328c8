/** The job scripts on a real Slurm of two nodes (test/slurm-cluster.ts). */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../src/shared/package-root.js';
import { SlurmCluster } from './slurm-cluster.js';
import { smallConfig } from './small-run.js';

const missing = SlurmCluster.missing();
if (missing !== undefined) console.log(`The tests on Slurm are skipped: ${missing}.`);

describe.skipIf(missing !== undefined)('on a Slurm cluster', () => {
  let cluster: SlurmCluster;
  let config: string;
  beforeAll(async () => {
    cluster = await SlurmCluster.start();
    config = join(cluster.folder, 'config.yaml');
    writeFileSync(config, smallConfig({ microBatches: 4, epochs: [1, 1], more: '' }));
  });
  afterAll(() => cluster?.end());

  const script = (name: string) => join(packageRoot, 'scripts', 'slurm', name);
  const env = { LOCKSTEP_HOME: packageRoot };

  it('several nodes', async () => {
    const job = cluster.submit(['--nodes=2', '--ntasks-per-node=2', script('several-nodes.sh'), config], {
      from: cluster.folder,
      env,
    });
    const state = await cluster.ended(job);
    console.log(readFileSync(join(cluster.folder, `lockstep-${job}.out`), 'utf8'));
    expect(state).toEqual(['COMPLETED']);
  });
});
