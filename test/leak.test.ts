/** Two hundred whole steps leave nothing behind: no host tensors, no tfjs tensors, no memory. */
import { afterAll, expect, it } from 'vitest';
import { parseConfig } from '../src/shared/config/parse.js';
import { liveHostTensors } from '../src/shared/engine/host-tensor.js';
import { Session } from '../src/shared/engine/session.js';
import { tf } from '../src/shared/engine/tensorflow.js';
import { buildModel } from '../src/shared/model/model.js';
import { newKeyPair } from '../src/shared/security/join.js';
import { Mesh } from '../src/shared/transport/mesh.js';
import { fingerprint } from '../src/worker/functions/fingerprint.js';
import type { MicroBatch } from '../src/worker/micro-batch.js';
import { Replica } from '../src/worker/replica.js';
import { StageProgram } from '../src/worker/stage-program.js';
import { stageShape } from '../src/worker/stage-shape.js';
import { runStep } from '../src/worker/step.js';
import { applyStep } from '../src/worker/update.js';

const ends: (() => Promise<unknown>)[] = [];
afterAll(() => Promise.all(ends.map((end) => end())));

it('200 steps leave RSS and live tensors flat', async () => {
  const config = parseConfig(
    {
      name: 'leak',
      data: { dataset: 'sample' },
      model: { encoder: 'tiny', projection: { widths: [16] } },
      batch: { microBatches: 2, microBatchSize: 64 },
      stages: [
        {
          name: 'pretrain',
          objective: 'npairs',
          temperature: 0.1,
          epochs: 1,
          optimizer: { kind: 'adam' },
          learningRate: { decay: 'constant', peak: 0.001 },
        },
      ],
    },
    'test',
  );
  const session = new Session({ precision: 'float32', device: 'cpu' });
  ends.push(() => session.close());
  const mesh = await Mesh.bind({ protection: { encrypted: false, token: newKeyPair() } });
  ends.push(() => mesh.close());
  await mesh.connect(
    {
      generation: 1,
      rank: 0,
      ticket: '',
      peers: [{ rank: 0, host: 'h', endpoint: mesh.endpoint, machine: '' }],
    },
    { stepBytes: 0 },
  );
  const replica = new Replica(session, buildModel(config.model));
  await replica.initialize(config.seed);
  const program = await StageProgram.compile(replica, stageShape(config, replica.model, 0), 4096);
  const batch: MicroBatch = {
    images: new Uint8Array(64 * 32 * 32 * 3).map((_, i) => i),
    labels: Int32Array.from({ length: 64 }, (_, i) => i % 10),
    dropoutSeed: Int32Array.of(0, 0),
  };
  const step = async (index: number) => {
    mesh.begin(index);
    const input = {
      step: index,
      range: { lo: 0, hi: 2 },
      batch: () => batch,
      deadlineMs: 20_000,
      phase: () => {},
    };
    const [outcome] = await Promise.all([runStep(program, mesh, input), fingerprint(program.fingerprint)]);
    await applyStep(program, outcome, { learningRate: 0.001, stepInStage: index });
    for (const tensor of outcome.reduced) tensor.free();
  };
  // Allocators and the compiler settle in the first steps.
  for (let i = 0; i < 60; i += 1) await step(i);
  const before = { host: liveHostTensors(), tfjs: tf.memory().numTensors, rss: process.memoryUsage().rss };
  for (let i = 60; i < 260; i += 1) await step(i);
  expect(liveHostTensors()).toBe(before.host);
  expect(tf.memory().numTensors).toBe(before.tfjs);
  // A leak of one batch a step would be 39 MB of bytes, and 154 MB as floats.
  expect(process.memoryUsage().rss - before.rss).toBeLessThan(32 * 2 ** 20);
});
