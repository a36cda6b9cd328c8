/** A whole update as it ships, clipping, decay, optimiser and running statistics together, against float64. */
import { expect, it } from 'vitest';
import { parseConfig } from '../src/shared/config/parse.js';
import { HostTensor } from '../src/shared/engine/host-tensor.js';
import { Session } from '../src/shared/engine/session.js';
import { initialize } from '../src/shared/model/initialize.js';
import { buildModel } from '../src/shared/model/model.js';
import { Replica } from '../src/worker/replica.js';
import { StageProgram } from '../src/worker/stage-program.js';
import { stageShape } from '../src/worker/stage-shape.js';
import { applyStep } from '../src/worker/update.js';
import { draws } from './numeric.js';

const clipNorm = 2;
const weightDecay = 0.1;
const rate = 0.05;

it('clips by the global norm, decays kernels only, and moves statistics by the mean of the micro-batches', async () => {
  const config = parseConfig(
    {
      name: 'apply',
      data: { dataset: 'sample' },
      model: { encoder: 'tiny', classifier: {}, batchNorm: { momentum: 0.8 } },
      batch: { microBatches: 4, microBatchSize: 2 },
      stages: [
        {
          name: 'train',
          objective: 'softmax',
          epochs: 1,
          clipNorm,
          optimizer: { kind: 'sgd', momentum: 0.9, nesterov: true, weightDecay },
          learningRate: { decay: 'constant', peak: rate },
        },
      ],
    },
    'test',
  );
  const session = new Session({ precision: 'float32', device: 'cpu' });
  try {
    const model = buildModel(config.model);
    const replica = new Replica(session, model);
    await replica.initialize(config.seed);
    const program = await StageProgram.compile(replica, stageShape(config, model, 0), 4096);
    const reduced = new Map<string, Float64Array>();
    const tensors = program.buckets.map(({ size }) => HostTensor.allocate('float32', [size]));
    for (const { index, entries } of program.buckets) {
      for (const { name, offset, size } of entries) {
        reduced.set(name, draws(size, name));
        tensors[index]!.floats.set(reduced.get(name)!, offset);
      }
    }
    const squares = model.parameters.flatMap(({ name }) => [...reduced.get(name)!].map((g) => g * g));
    const norm = Math.sqrt(squares.reduce((sum, square) => sum + square, 0));
    expect(norm).toBeGreaterThan(clipNorm);
    expect(await applyStep(program, tensors, rate, 0)).toBeCloseTo(norm, 2);

    const after = await replica.read();
    for (const [i, { variable, file }] of replica.tensors.entries()) {
      if (file !== 'weights') continue;
      const values = after[i]!.floats;
      const spec = model.parameters.find(({ name }) => name === variable.name);
      const before = spec && initialize(spec, config.seed);
      const init = model.statistics.find(({ name }) => name === variable.name)?.init ?? 0;
      for (const [j, given] of reduced.get(variable.name)!.entries()) {
        let expected = 0.8 * init + (0.2 * given) / 4;
        if (spec && before) {
          const gradient = (given * clipNorm) / norm + (spec.decay ? weightDecay * before[j]! : 0);
          // The first step of Nesterov momentum: v = g, so w − η(g + μg).
          expected = before[j]! - rate * 1.9 * gradient;
        }
        expect(Math.abs(values[j]! - expected), `${variable.name}[${j}]`).toBeLessThan(2e-6);
      }
    }
    for (const tensor of [...after, ...tensors]) tensor.free();
  } finally {
    await session.close();
  }
});
