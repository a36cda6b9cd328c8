/** What becomes a checkpoint: the first rank's tensors, when all replicas have proven that they are theirs, too. */
import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { saveCheckpoint } from '../src/coordinator/saving.js';
import { openCheckpoint } from '../src/shared/checkpoint/checkpoint.js';
import type { Proof, TensorSpec } from '../src/shared/protocol/messages.js';
import { type SaidWorker, SaidWorkers } from './said-workers.js';

let runFolder: string;
let workers: SaidWorkers;
let one: SaidWorker;
let two: SaidWorker;
let three: SaidWorker;

const proof: Proof = { fingerprint: 'weights', state: 'slots' };
const kernel: TensorSpec = { name: 'conv.kernel', shape: [2], file: 'weights' };
const momentum: TensorSpec = { name: 'momentum/conv.kernel', shape: [2], file: 'optimizer' };

beforeEach(async () => {
  runFolder = await mkdtemp(join(tmpdir(), 'lockstep-saving-'));
  workers = await SaidWorkers.bind(1_000);
  const started = await workers.start('one', 'two', 'three');
  [one, two, three] = [started.one, started.two, started.three];
  const forming = workers.group.form(started.members, 10_000);
  for (const worker of [one, two, three]) {
    await worker.asked('form');
    await worker.say({ type: 'joined', generation: 1 });
  }
  await forming;
});
afterEach(async () => {
  await workers.end();
  await rm(runFolder, { recursive: true, force: true });
});

const save = (step: number, before?: () => Promise<void>) =>
  saveCheckpoint(
    { step, epoch: 1, stage: 's', position: {}, configDigest: 'c', config: {} },
    { group: workers.group, runFolder, deadlineMs: 10_000, ...(before === undefined ? {} : { before }) },
  );

/** Answers as the first rank does. */
async function sendTensors(values: readonly number[], from = one): Promise<void> {
  expect(await from.asked('snapshot')).toMatchObject({ tensors: true });
  await from.say({ type: 'snapshot', tensors: [kernel, momentum], ...proof });
  const bytes = new Uint8Array(Float32Array.from(values).buffer);
  for (const { name } of [kernel, momentum]) await from.say({ type: 'tensor', name }, bytes);
}

async function prove(worker: SaidWorker, other: Partial<Proof> = {}): Promise<void> {
  expect(await worker.asked('snapshot')).toMatchObject({ tensors: false });
  await worker.say({ type: 'snapshot', tensors: [], ...proof, ...other });
}

it('is written when all replicas are the same', async () => {
  const saved = save(1);
  await Promise.all([sendTensors([1, 2]), prove(two), prove(three)]);
  expect(await saved).toMatch(/^[0-9a-f]{64}$/);
  const checkpoint = await openCheckpoint(join(runFolder, 'checkpoints', '00000001'));
  expect(new Float32Array(Uint8Array.from(await checkpoint.read(kernel.name)).buffer)).toEqual(
    Float32Array.of(1, 2),
  );
  await checkpoint.close();
});

it.each<[string, Partial<Proof>, string]>([
  ['weights', { fingerprint: 'others' }, 'weights'],
  ['optimiser state', { state: 'others' }, 'slots'],
])('is not written when one has other %s, and the next one is not confused', async (what, other, common) => {
  const saved = save(1);
  const differs = expect(saved).rejects.toMatchObject({
    code: 'DIVERGED',
    message: expect.stringContaining(`${what} after step 1: rank 2 on three (others) against ${common}`),
  });
  await Promise.all([sendTensors([1, 2]), prove(two), prove(three, other)]);
  await differs;
  expect(existsSync(join(runFolder, 'checkpoints', '00000001'))).toBe(false);
  const next = save(2);
  await Promise.all([sendTensors([3, 4]), prove(two), prove(three)]);
  await next;
  expect(readdirSync(join(runFolder, 'checkpoints'))).toEqual(['00000002']);
});

it('does not need one that is lost meanwhile, unless that is the one who sends it', async () => {
  const saved = save(1);
  await Promise.all([sendTensors([1, 2]), prove(two), three.asked('snapshot')]);
  workers.group.exclude(workers.group.members[2]!, 'the test says so');
  await saved;
  const lost = expect(save(2)).rejects.toMatchObject({ code: 'WORKER_LOST' });
  await one.asked('snapshot');
  workers.group.exclude(workers.group.members[0]!, 'the test says so');
  await prove(two);
  await lost;
  // Those who are left have the same, and need no generation to send it.
  const again = save(2);
  await sendTensors([5, 6], two);
  await again;
  workers.group.exclude(workers.group.members[1]!, 'the test says so');
  await expect(save(3)).rejects.toMatchObject({ code: 'WORKER_LOST' });
});

it('takes its place only after what it has to wait for', async () => {
  let isWaiting = false;
  const saved = save(1, async () => {
    isWaiting = true;
    expect(readdirSync(join(runFolder, 'checkpoints'))).toEqual(['.00000001.partial']);
  });
  await Promise.all([sendTensors([1, 2]), prove(two), prove(three)]);
  await saved;
  expect(isWaiting).toBe(true);
});
