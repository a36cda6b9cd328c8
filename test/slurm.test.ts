/** The job scripts on a real Slurm of two nodes (test/slurm-cluster.ts): as they are, but for the size of the job. */
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readRun } from '../src/coordinator/run-folder.js';
import { readStudy } from '../src/coordinator/scale/study.js';
import { cacheFolder } from '../src/shared/data/resolve.js';
import { packageRoot } from '../src/shared/package-root.js';
import { committed, computed } from './lockstep-command.js';
import { SlurmCluster } from './slurm-cluster.js';
import { type SmallResult, smallConfig, undisturbed } from './small-run.js';
import { shellBlocks, Terminal } from './terminal.js';

const missing = SlurmCluster.missing();
if (missing !== undefined) process.stderr.write(`The tests on Slurm are skipped: ${missing}.\n`);

const text = smallConfig({ microBatches: 4, epochs: [4, 4], more: '' });
const totalSteps = 128;
const scripts = join(packageRoot, 'scripts', 'slurm');
const env = { LOCKSTEP_HOME: packageRoot };

describe.skipIf(missing !== undefined)('job scripts on a Slurm cluster', { timeout: 240_000 }, () => {
  let cluster: SlurmCluster;
  let config: string;
  beforeAll(async () => {
    cluster = await SlurmCluster.start();
    config = join(cluster.folder, 'config.yaml');
    writeFileSync(config, text);
  });
  afterAll(() => cluster?.end());

  const submit = (script: string, size: readonly string[], more: NodeJS.ProcessEnv = {}) =>
    cluster.submit([...size, join(scripts, script), config], {
      from: cluster.folder,
      env: { ...env, ...more },
    });
  const twoNodes = (tasksPerNode: number) =>
    submit('several-nodes.sh', ['--nodes=2', `--ntasks-per-node=${tasksPerNode}`]);
  const runOf = (job: string) => join(cluster.folder, 'runs', `lockstep-${job}`);
  const logOf = (run: string) => readFileSync(join(run, 'logs', 'coordinator.log'), 'utf8');
  const printedBy = (job: string) => readFileSync(join(cluster.folder, `lockstep-${job}.out`), 'utf8');
  const leftovers = () => readdirSync(cluster.folder).filter((name) => name.includes('join'));

  /** A job's last state, and what its run came to. */
  const finished = async (job: string, run = runOf(job)): Promise<SmallResult> => {
    expect(await cluster.ended(job), printedBy(job)).toEqual(['COMPLETED']);
    const { stages, weightsDigest } = JSON.parse(readFileSync(join(run, 'summary.json'), 'utf8'));
    return { stages, weightsDigest, computed: await computed(run) };
  };

  it('two nodes: each worker has a GPU of its own, and all reach the coordinator over the network', async () => {
    const job = twoNodes(2);
    expect(await finished(job)).toEqual(await undisturbed(text));
    const log = logOf(runOf(job));
    const workers = [...log.matchAll(/registered: worker on (\w+), pid \d+, GPU (\S+), tcp:\/\/([\d.]+):/g)];
    const places = workers.map(([, host, gpu]) => `${host} ${gpu}`).sort();
    expect(places).toEqual(['node1 0', 'node1 1', 'node2 0', 'node2 1']);
    expect(workers.filter(([, , , address]) => address!.startsWith('127.'))).toEqual([]);
    expect(log).toMatch(/coordinator listens at tcp:\/\/10\.\S+, encrypted/);
    expect(leftovers()).toEqual([]);
  });

  it('a signal before the time limit: saves, goes back into the queue, goes on to the same bits', async () => {
    const job = twoNodes(1);
    await committed(runOf(job), 7);
    // What `--signal=B:USR2@300` sends, without the wait for a time limit.
    cluster.command('scancel', '--signal=USR2', '--batch', job);
    expect(await finished(job)).toEqual(await undisturbed(text));
    expect(printedBy(job)).toContain('saved: back into the queue');
    const { resumed } = await readRun(runOf(job));
    expect(resumed).toHaveLength(1);
    expect(resumed[0]!.fromStep).toBeGreaterThanOrEqual(7);
    expect(resumed[0]!.fromStep).toBeLessThan(totalSteps);
  });

  it('preemption: saves, makes way, and goes on to the same bits', async () => {
    const job = twoNodes(1);
    await committed(runOf(job), 7);
    const urgent = cluster.submit(['--partition=urgent', '--nodes=2', '--exclusive', '--wrap=true'], {
      from: cluster.folder,
    });
    await cluster.ended(urgent);
    expect(await finished(job)).toEqual(await undisturbed(text));
    expect(logOf(runOf(job))).toMatch(/got SIGTERM: the run is to end/);
    expect((await readRun(runOf(job))).resumed).toHaveLength(1);
  });

  it('scancel: saves and stays cancelled; one-node.sh goes on with it', async () => {
    const job = twoNodes(1);
    const run = runOf(job);
    await committed(run, 7);
    cluster.command('scancel', job);
    expect(await cluster.ended(job)).toEqual(['CANCELLED']);
    const step = /stopped after step (\d+)/.exec(logOf(run))?.[1];
    expect(step, printedBy(job)).toBeDefined();
    expect(existsSync(join(run, 'checkpoints', step!.padStart(8, '0')))).toBe(true);
    expect(printedBy(job)).not.toContain('queue');

    const next = submit('one-node.sh', ['--gpus-per-node=2'], { LOCKSTEP_RUN: run });
    expect(await finished(next, run)).toEqual(await undisturbed(text));
    expect((await readRun(run)).resumed[0]).toMatchObject({
      fromStep: Number(step),
      topology: { workers: 2, launch: 'local' },
    });
  });

  it('a node that dies costs its workers, not the job', async () => {
    const job = twoNodes(2);
    await committed(runOf(job), 7);
    cluster.crash('node2');
    expect(await finished(job)).toEqual(await undisturbed(text));
    expect(logOf(runOf(job))).toMatch(/Lost rank \d \(?.*node2/);
    await cluster.boot('node2');
  });

  it('a coordinator that was killed left its join file: workers of the next start wait for their own', async () => {
    const job = twoNodes(1);
    const run = runOf(job);
    // One checkpoint an epoch.
    await committed(run, 20);
    process.kill(coordinatorOf(run), 'SIGKILL');
    expect(await cluster.ended(job)).toEqual(['FAILED']);
    expect(leftovers()).toHaveLength(1);
    cluster.command('scontrol', 'requeue', job);
    await expect.poll(() => cluster.states(job), { timeout: 30_000, interval: 200 }).not.toEqual(['FAILED']);
    expect(await finished(job)).toEqual(await undisturbed(text));
    expect((await readRun(run)).resumed).toHaveLength(1);
    for (const name of leftovers()) rmSync(join(cluster.folder, name));
  });

  it('a scaling study: a job a run, and the report of all of them, which names those that failed', async () => {
    const study = [
      ...[config, '--set', 'batch.microBatches=3', '--workers', '1,3,4', '--repeats', '2'],
      ...['--warmup', '1', '--steps', '4'],
    ];
    const printed = cluster.shell(`${scripts}/submit-scaling.sh ${study.join(' ')}`, {
      from: cluster.folder,
      // Three workers on two nodes; four are more than micro-batches.
      env: { ...env, LOCKSTEP_WORKERS_PER_NODE: '2' },
    });
    const [, jobs, report, path] = /jobs ([\d:]+) measure, then job (\d+) writes (\S+)\/report.html/.exec(
      printed,
    )!;
    expect(cluster.states(report!)).toEqual(['PENDING']);
    const ended = (await Promise.all(jobs!.split(':').map((job) => cluster.ended(job)))).flat();
    const said = readdirSync(cluster.folder)
      .filter((name) => /^lockstep-(scaling|report)/.test(name))
      .map((name) => readFileSync(join(cluster.folder, name), 'utf8'))
      .join('\n');
    expect(ended.sort(), said).toEqual([...Array(4).fill('COMPLETED'), ...Array(2).fill('FAILED')]);
    expect(await cluster.ended(report!)).toEqual(['COMPLETED']);

    const folder = join(cluster.folder, path!);
    const { runs, missing = [] } = await readStudy(folder);
    const ran = runs.map(({ workers, repeat }) => `${workers},${repeat + 1}`).sort();
    expect(ran).toEqual(['1,1', '1,2', '3,1', '3,2']);
    for (const { workers, steps, hosts } of runs) {
      expect(steps).toHaveLength(4);
      for (const { ranks } of steps) expect(ranks).toHaveLength(workers);
      expect(new Set(hosts).size).toBe(workers === 1 ? 1 : 2);
    }
    expect(missing.map(({ workers, repeat }) => `${workers},${repeat + 1}`).sort()).toEqual(['4,1', '4,2']);
    const page = readFileSync(join(folder, 'report.html'), 'utf8');
    expect(page).toContain('Missing: 4 workers, runs 1, 2: 4 workers can&#39;t share 3 micro-batches.');
    for (const name of ['throughput', 'efficiency', 'step-time', 'forecast']) {
      expect(page).toContain(`id="figure-scaling-${name}"`);
    }
    // The table that `lockstep scale` prints on one node.
    const table = readFileSync(join(cluster.folder, `lockstep-report-${report}.out`), 'utf8');
    expect(table).toMatch(/^ +1 +48 .*\n +3 +48 /m);
    expect(table).toContain('FORECAST');
    expect(leftovers()).toEqual([]);
  });

  it('a scaling study that Slurm has no place for is not submitted at all', () => {
    const jobs = () => cluster.shell('squeue --noheader --states=all --format=%i', { from: cluster.folder });
    const before = jobs();
    const submitted = () =>
      cluster.shell(`${scripts}/submit-scaling.sh ${config} --workers 1,8 --repeats 1`, {
        from: cluster.folder,
        env: { ...env, LOCKSTEP_WORKERS_PER_NODE: '2' },
      });
    expect(submitted).toThrow(
      'nothing was submitted: Slurm refuses 4 nodes with 2 workers each (LOCKSTEP_WORKERS_PER_NODE): Requested node configuration is not available',
    );
    expect(jobs()).toBe(before);
  });

  it('a dataset goes to the disk of every node, and traffic over the network that was named', async () => {
    const packed = join(cluster.folder, 'packed');
    const sample = join(packageRoot, 'data', 'sample', 'cifar10-sample.tar.xz');
    cluster.shell(
      `${packageRoot}/bin/lockstep data import ${sample} --to packed/staged && tar -cf staged.tar -C packed staged`,
      { from: cluster.folder },
    );
    rmSync(packed, { recursive: true });
    const job = cluster.submit(
      [
        ...['--nodes=2', '--ntasks-per-node=1', join(scripts, 'several-nodes.sh'), config],
        ...['--set', 'data.dataset=staged'],
      ],
      {
        from: cluster.folder,
        env: {
          ...env,
          LOCKSTEP_DATA: join(cluster.folder, 'staged.tar'),
          LOCKSTEP_INTERFACE: SlurmCluster.interface,
        },
      },
    );
    // The same images under another name.
    expect(await finished(job)).toEqual(await undisturbed(text));
    expect(printedBy(job)).not.toContain('samples come from the coordinator');
  });

  it('docs/hpc.md, word by word, comes to a finished job on two nodes', async () => {
    const home = join(cluster.folder, 'home');
    // What set-up would download.
    cluster.shell(
      [
        `mkdir -p ${home}/lockstep/scripts`,
        `touch ${home}/lockstep/scripts/setup.mjs`,
        `cp -al ${packageRoot}/node_modules ${packageRoot}/.engine ${home}/lockstep`,
      ].join(' && '),
      { from: cluster.folder },
    );
    const terminal = new Terminal(
      {
        ...cluster.env,
        HOME: home,
        LOCKSTEP_CACHE: cacheFolder(),
        // Node and compilers are there already.
        'BASH_FUNC_module%%': '() { :; }',
      },
      packageRoot,
    );
    try {
      const page = readFileSync(join(packageRoot, 'docs', 'hpc.md'), 'utf8');
      const blocks = shellBlocks(page, ['Install', 'A first job']);
      expect(blocks).toHaveLength(4);
      const [fillIn, install, submitFirst, look] = blocks as [string, string, string, string];
      await terminal.type(fillIn.replace('LOCKSTEP_ENGINE=gpu', 'LOCKSTEP_ENGINE=cpu'));
      await terminal.type(install);
      await terminal.type(submitFirst);
      const job = (await terminal.type('echo "$job"')).trim();
      const run = join(home, 'lockstep', 'runs', `lockstep-${job}`);
      await committed(run, 1);
      expect(await terminal.type(look)).toContain('test loss');
      expect(await cluster.ended(job)).toEqual(['COMPLETED']);
      expect(existsSync(join(run, 'summary.json'))).toBe(true);
      expect(new Set([...logOf(run).matchAll(/worker on (\w+)/g)].map(([, host]) => host)).size).toBe(2);
    } finally {
      terminal.close();
    }
  });

  it('a run that fails ends the job at once, and is not repeated', async () => {
    writeFileSync(join(cluster.folder, 'wrong.yaml'), 'name: wrong\n');
    const job = cluster.submit(
      ['--nodes=2', '--ntasks-per-node=1', join(scripts, 'several-nodes.sh'), 'wrong.yaml'],
      { from: cluster.folder, env },
    );
    expect(await cluster.ended(job)).toEqual(['FAILED']);
    expect(printedBy(job)).toContain('lockstep: error: wrong.yaml');
  });
});

/** The process that coordinates a run. */
function coordinatorOf(run: string): number {
  const found = readdirSync('/proc').find((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      return readFileSync(`/proc/${name}/cmdline`, 'utf8').includes(`\0--out\0${run}\0`);
    } catch {
      // It has ended meanwhile.
      return false;
    }
  });
  if (found === undefined) throw new Error(`Nobody coordinates ${run}.`);
  return Number(found);
}
