/**
 * Files that PyTorch and Keras write give the logits that they give, and what we export gives theirs. Needs the Python of
 * bench/peers.sh (bench/.venv, or LOCKSTEP_PEERS) and is skipped without it; test/transfer.test.ts has recorded logits.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { peersPython } from '../bench/compare/contestants.mjs';
import { exportWeights } from '../src/coordinator/weights/export.js';
import { matchTensors } from '../src/coordinator/weights/match.js';
import { openWeights } from '../src/coordinator/weights/open.js';
import { CheckpointWriter } from '../src/shared/checkpoint/checkpoint-writer.js';
import type { Config } from '../src/shared/config/schema.js';
import { buildModel } from '../src/shared/model/model.js';
import { packageRoot } from '../src/shared/package-root.js';
import { configOfPeer } from './peer-config.js';
import { logitsOf } from './transfer-logits.js';

interface Case {
  readonly file: string;
  readonly network: string;
  readonly stem: 'cifar' | 'imagenet';
  readonly size: number;
  readonly logits: readonly (readonly number[])[];
}

const python = peersPython(packageRoot);
const script = join(packageRoot, 'bench', 'transfer_peers.py');
const quiet = { ...process.env, TF_CPP_MIN_LOG_LEVEL: '3', CUDA_VISIBLE_DEVICES: '' };

/** Why it can't run here; undefined if it can. */
function obstacle(): string | undefined {
  if (!existsSync(python)) return `there is no ${python}: run bench/peers.sh`;
  const needed = ['torch', 'torchvision', 'safetensors', 'keras', 'h5py'];
  const probe = `import importlib.util as u, sys; sys.exit(not all(map(u.find_spec, ${JSON.stringify(needed)})))`;
  const { status } = spawnSync(python, ['-c', probe]);
  return status === 0 ? undefined : `${python} lacks one of ${needed.join(', ')}: run bench/peers.sh again`;
}

const why = obstacle();
if (why !== undefined) console.warn(`test/transfer-peers.test.ts is skipped: ${why}`);

let folder: string;
let cases: readonly Case[];
let pixels: Uint8Array;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'lockstep-peers-'));
  if (why !== undefined) return;
  execFileSync(python, [script, 'save', folder], { env: quiet, stdio: ['ignore', 'ignore', 'pipe'] });
  cases = JSON.parse(readFileSync(join(folder, 'cases.json'), 'utf8'));
  pixels = readFileSync(join(folder, 'pixels.bin'));
}, 300_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The largest difference, where the logits' own size is above 1 relative to it. */
function difference(found: ArrayLike<number>, { logits }: Pick<Case, 'logits'>): number {
  const expected = logits.flat();
  const scale = Math.max(1, ...expected.map(Math.abs));
  return Math.max(...expected.map((value, i) => Math.abs(value - found[i]!))) / scale;
}

/** A checkpoint of a run of this config, with the weights of a file. */
async function checkpointOf(config: Config, path: string): Promise<string> {
  const model = buildModel(config.model);
  const file = await openWeights(path);
  const { tensors } = matchTensors([...model.parameters, ...model.statistics], file);
  const specs = tensors.map(({ name, shape }) => ({ name, shape, dtype: 'F32', file: 'weights' }) as const);
  const standing = { step: 1, epoch: 1, stage: 'a', position: {}, configDigest: '', config };
  const writer = await CheckpointWriter.begin(join(folder, `run-${config.model.encoder}`), standing, specs);
  for (const { name, read } of tensors) {
    const { buffer, byteOffset, byteLength } = await read();
    await writer.append(name, new Uint8Array(buffer, byteOffset, byteLength));
  }
  await file.close();
  return (await writer.finish()).folder;
}

describe.skipIf(why !== undefined)('PyTorch and Keras', () => {
  it('their files give their logits', { timeout: 300_000 }, async () => {
    expect(cases).toHaveLength(5);
    for (const one of cases) {
      const { model } = configOfPeer(one);
      const found = await logitsOf(model, join(folder, one.file), pixels, 2);
      expect(difference(found, one), one.file).toBeLessThan(1e-4);
    }
  });

  it('our exports, read by them, give the same logits again', { timeout: 300_000 }, async () => {
    // The first file of each network.
    const networks = [...new Map(cases.toReversed().map((one) => [one.network, one])).values()];
    for (const one of networks) {
      const checkpoint = await checkpointOf(configOfPeer(one), join(folder, one.file));
      const [format, ending] = one.network.startsWith('R')
        ? (['keras', 'h5'] as const)
        : (['torchvision', 'safetensors'] as const);
      await exportWeights(checkpoint, format, join(folder, `export-${one.network}.${ending}`));
    }
    const said = execFileSync(python, [script, 'load', folder], { env: quiet, encoding: 'utf8' });
    const found: Readonly<Record<string, readonly (readonly number[])[]>> = JSON.parse(said);
    expect(Object.keys(found)).toHaveLength(4);
    for (const one of networks) {
      expect(difference(found[one.network]!.flat(), one), one.network).toBeLessThan(1e-4);
    }
  });
});
