/** What a checkpoint promises: whole or absent, proven by digests, earlier ones safe from whatever goes wrong. */
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  type Checkpoint,
  latestCheckpoint,
  listCheckpoints,
  openCheckpoint,
  openCheckpointOrRun,
  pruneCheckpoints,
} from '../src/shared/checkpoint/checkpoint.js';
import { type CheckpointTensor, CheckpointWriter } from '../src/shared/checkpoint/checkpoint-writer.js';
import type { Standing } from '../src/shared/checkpoint/manifest.js';

const SPECS: CheckpointTensor[] = [
  { name: 'conv/kernel', dtype: 'F32', shape: [2, 2], file: 'weights' },
  { name: 'conv/kernel/momentum', dtype: 'F32', shape: [2, 2], file: 'optimizer' },
  { name: 'bn/mean', dtype: 'F32', shape: [3], file: 'weights' },
];

let run: string;
beforeEach(async () => {
  run = await mkdtemp(join(tmpdir(), 'lockstep-checkpoint-'));
});
afterEach(() => rm(run, { recursive: true, force: true }));

const standing = (step: number): Standing => ({
  step,
  epoch: 1,
  stage: 'pretrain',
  position: { stageIndex: 0, samples: step * 32 },
  configDigest: 'c0ffee',
  config: { seed: 1, stages: [{ name: 'pretrain' }] },
});

/** The bytes of a tensor in these tests: a value that its name and the step determine. */
function bytesFor({ name, shape }: CheckpointTensor, step: number): Uint8Array {
  const count = shape.reduce((a, b) => a * b, 1);
  return new Uint8Array(Float32Array.from({ length: count }, (_, i) => step + i + name.length / 100).buffer);
}

async function save(step: number, specs = SPECS, folder = run) {
  const writer = await CheckpointWriter.begin(folder, standing(step), specs);
  try {
    for (const spec of specs) await writer.append(spec.name, bytesFor(spec, step));
    return await writer.finish();
  } catch (error) {
    await writer.abort();
    throw error;
  }
}

async function using<T>(checkpoint: Checkpoint | undefined, use: (c: Checkpoint) => T | Promise<T>) {
  if (checkpoint === undefined) throw new Error('no checkpoint');
  try {
    return await use(checkpoint);
  } finally {
    await checkpoint.close();
  }
}

describe('a checkpoint', () => {
  it('gives back its tensors and where the run stood', async () => {
    const { folder, manifest } = await save(100);
    expect(folder).toBe(join(run, 'checkpoints', '00000100'));
    expect((await readdir(folder)).sort()).toEqual([
      'manifest.json',
      'optimizer.safetensors',
      'weights.safetensors',
    ]);
    await using(await openCheckpoint(folder), async (checkpoint) => {
      expect(checkpoint.manifest).toEqual(manifest);
      expect(checkpoint.manifest).toMatchObject(standing(100));
      expect(checkpoint.tensors.map(({ name, file }) => `${file} ${name}`)).toEqual([
        'weights conv/kernel',
        'weights bn/mean',
        'optimizer conv/kernel/momentum',
      ]);
      for (const spec of SPECS) {
        expect(new Uint8Array(await checkpoint.read(spec.name))).toEqual(bytesFor(spec, 100));
      }
      await expect(checkpoint.read('other')).rejects.toThrow('no tensor "other"');
    });
  });

  it('has a weights digest that the order in the file and the optimizer leave alone', async () => {
    const first = (await save(1)).manifest;
    await rm(join(run, 'checkpoints'), { recursive: true });
    const reordered = (await save(1, [SPECS[2]!, SPECS[0]!])).manifest;
    expect(reordered.files['weights.safetensors'].sha256).not.toBe(first.files['weights.safetensors'].sha256);
    expect(reordered.weightsDigest).toBe(first.weightsDigest);
    const other = (await save(2)).manifest;
    expect(other.weightsDigest).not.toBe(first.weightsDigest);
  });

  it('is not there until it is finished, and leaves nothing when it is given up', async () => {
    await save(1);
    const writer = await CheckpointWriter.begin(run, standing(2), SPECS);
    await writer.append('conv/kernel', bytesFor(SPECS[0]!, 2));
    expect(await listCheckpoints(run)).toHaveLength(1);
    await expect(writer.append('nobody', new Uint8Array(1))).rejects.toThrow('"nobody" was not announced');
    await expect(writer.finish()).rejects.toThrow('never arrived');
    await writer.abort();
    expect(await readdir(join(run, 'checkpoints'))).toEqual(['00000001']);
  });

  it('clears away what a killed process left, and replaces one of the same step', async () => {
    await mkdir(join(run, 'checkpoints', '.00000002.partial'), { recursive: true });
    await writeFile(join(run, 'checkpoints', '.00000002.partial', 'weights.safetensors'), 'torn');
    await save(2);
    const { folder, manifest } = await save(2, [SPECS[0]!]);
    expect(await readdir(join(run, 'checkpoints'))).toEqual(['00000002']);
    await using(await openCheckpoint(folder), (checkpoint) => {
      expect(checkpoint.manifest.weightsDigest).toBe(manifest.weightsDigest);
      expect(checkpoint.tensors).toHaveLength(1);
    });
  });

  it('refuses two tensors of one name', async () => {
    await expect(CheckpointWriter.begin(run, standing(1), [SPECS[0]!, SPECS[0]!])).rejects.toMatchObject({
      code: 'CHECKPOINT',
    });
  });
});

describe('a damaged checkpoint', () => {
  it('is refused when a byte has changed', async () => {
    const { folder } = await save(5);
    const path = join(folder, 'weights.safetensors');
    const bytes = await readFile(path);
    bytes[bytes.length - 1]! ^= 1;
    await writeFile(path, bytes);
    await expect(openCheckpoint(folder)).rejects.toMatchObject({
      code: 'CHECKPOINT',
      message: expect.stringContaining(`${path} has the digest`),
    });
  });

  it('is refused when a file is cut off or missing', async () => {
    const { folder } = await save(5);
    const path = join(folder, 'optimizer.safetensors');
    await truncate(path, (await readFile(path)).length - 3);
    await expect(openCheckpoint(folder)).rejects.toThrow(/optimizer\.safetensors is damaged at byte \d+/);
    await rm(path);
    await expect(openCheckpoint(folder)).rejects.toThrow(`${path} can't be opened`);
  });

  it('is refused when its manifest is torn, incomplete or from another format', async () => {
    const { folder } = await save(5);
    const path = join(folder, 'manifest.json');
    const text = await readFile(path, 'utf8');
    for (const broken of [text.slice(0, 50), '{}', text.replace('"format": 1', '"format": 2')]) {
      await writeFile(path, broken);
      await expect(openCheckpoint(folder)).rejects.toThrow(`${path} is no manifest of a checkpoint`);
    }
    await rm(path);
    await expect(openCheckpoint(folder)).rejects.toThrow(`${folder} is no checkpoint`);
  });

  it('is passed over for an older whole one, and said so', async () => {
    await save(9);
    await save(10);
    const { folder } = await save(11);
    await truncate(join(folder, 'weights.safetensors'), 20);
    const passedOver: string[] = [];
    const found = await latestCheckpoint(run, (error) => passedOver.push(error.message));
    await using(found, (checkpoint) => expect(checkpoint.manifest.step).toBe(10));
    expect(passedOver).toHaveLength(1);
    expect(passedOver[0]).toContain('00000011');
    await using(await openCheckpointOrRun(run), (checkpoint) => expect(checkpoint.manifest.step).toBe(10));
    await rm(join(run, 'checkpoints', '00000009'), { recursive: true });
    await rm(join(run, 'checkpoints', '00000010'), { recursive: true });
    await expect(latestCheckpoint(run)).rejects.toThrow('00000011');
  });
});

describe('a run', () => {
  it('without checkpoints has no latest one', async () => {
    expect(await latestCheckpoint(run)).toBeUndefined();
    await expect(openCheckpointOrRun(run)).rejects.toThrow('is no checkpoint');
  });

  it('keeps the newest when pruned, and leaves one that is being written alone', async () => {
    for (const step of [1, 20, 300]) await save(step);
    const writer = await CheckpointWriter.begin(run, standing(4000), []);
    expect(await pruneCheckpoints(run, { keep: 2, upTo: 300 })).toEqual(['00000001']);
    await writer.finish();
    expect(await readdir(join(run, 'checkpoints'))).toEqual(['00000020', '00000300', '00004000']);
    await expect(pruneCheckpoints(run, { keep: 0, upTo: 300 })).rejects.toThrow('must be 1 or more');
  });

  it('that has passed over a damaged one does not prune its new ones for it', async () => {
    for (const step of [50, 100]) await save(step);
    await rm(join(run, 'checkpoints', '00000100', 'weights.safetensors'));
    await save(60);
    expect(await pruneCheckpoints(run, { keep: 1, upTo: 60 })).toEqual(['00000050']);
    const latest = await latestCheckpoint(run);
    await latest?.close();
    expect(latest?.manifest.step).toBe(60);
  });
});

describe('on a full disk', () => {
  let disk: string;
  let mounted = false;
  beforeEach(async () => {
    disk = await mkdtemp(join(tmpdir(), 'lockstep-full-'));
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', disk], { stdio: 'ignore' });
      mounted = true;
    } catch {
      mounted = false;
    }
  });
  afterEach(async () => {
    if (mounted) execFileSync('umount', [disk]);
    await rm(disk, { recursive: true, force: true });
  });

  it('says so and keeps the earlier checkpoints (needs the right to mount)', async (context) => {
    if (!mounted) context.skip();
    await save(1, SPECS, disk);
    const large: CheckpointTensor = { name: 'large', dtype: 'F32', shape: [100_000], file: 'optimizer' };
    await expect(save(2, [...SPECS, large], disk)).rejects.toMatchObject({
      code: 'CHECKPOINT',
      line: expect.stringMatching(/^No space left .*optimizer\.safetensors.* Earlier checkpoints are intact/),
    });
    expect(await readdir(join(disk, 'checkpoints'))).toEqual(['00000001']);
    await using(await latestCheckpoint(disk), (checkpoint) => expect(checkpoint.manifest.step).toBe(1));
  });
});
