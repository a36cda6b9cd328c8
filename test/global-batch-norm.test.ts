/** BatchNorm over the global batch: K micro-batches are one big batch, on any number of workers. */
import type { Tensor, Tensor4D } from '@tensorflow/tfjs-node-gpu';
import { afterEach, describe, expect, it } from 'vitest';
import { isContrastive, viewsOf } from '../src/shared/config/objectives.js';
import { parseConfig } from '../src/shared/config/parse.js';
import type { Config } from '../src/shared/config/schema.js';
import { liveHostTensors } from '../src/shared/engine/host-tensor.js';
import { tf } from '../src/shared/engine/tensorflow.js';
import { l2normalize } from '../src/shared/loss/normalize.js';
import { initialize } from '../src/shared/model/initialize.js';
import { normalize } from '../src/shared/model/input.js';
import { buildModel, imageShape } from '../src/shared/model/model.js';
import { imagesOfRows } from '../src/shared/plan/views.js';
import { hash32 } from '../src/shared/random/keyed.js';
import type { MicroBatch } from '../src/worker/micro-batch.js';
import { type Gradients, gradientsOf, leavingAt, relativeError, Workers } from './distributed.js';
import { contrastiveLoss, softmaxLoss } from './loss-definitions.js';

const K = 5;
const m = 4;
const temperature = 0.2;

type Objective = 'softmax' | 'npairs' | 'two views';

function configOf(objective: Objective, statistics = 'globalBatch'): Config {
  const head = objective === 'softmax' ? { classifier: {} } : { projection: { widths: [16] } };
  const stage = {
    softmax: { objective: 'softmax' },
    npairs: { objective: 'npairs', temperature },
    'two views': { objective: 'ntxent', temperature },
  }[objective];
  return parseConfig(
    {
      name: 'global',
      data: { dataset: 'sample' },
      model: { encoder: 'tiny', batchNorm: { statistics }, ...head },
      // The rows of a micro-batch are m either way.
      batch: { microBatches: K, microBatchSize: objective === 'two views' ? m / 2 : m },
      stages: [
        {
          name: 'train',
          epochs: 1,
          optimizer: { kind: 'sgd' },
          learningRate: { decay: 'constant', peak: 0.1 },
          ...stage,
        },
      ],
    },
    'test',
  );
}

/** Micro-batches that differ much in brightness and contrast, so that none looks like the global batch. */
const batches: readonly MicroBatch[] = Array.from({ length: K }, (_, k) => ({
  images: Uint8Array.from(
    { length: m * 32 * 32 * 3 },
    (_, i) => 40 * k + ((hash32(7, 'pixel', k, i) & 255) * (k + 1)) / 8,
  ),
  labels: Int32Array.from({ length: m }, (_, i) => (i * (k + 1)) % 3),
  dropoutSeed: Int32Array.of(0, 0),
}));

/** One process, one big batch, TensorFlow's own BatchNorm and tfjs's differentiation. */
function bigBatch(config: Config): { loss: number; gradients: Gradients; statistics: Gradients } {
  const model = buildModel(config.model);
  const names = model.parameters.map(({ name }) => name);
  const images = tf.tensor(Float32Array.from(batches.flatMap((batch) => [...batch.images])), [
    K * m,
    ...imageShape,
  ]) as Tensor4D;
  const labels = tf.tensor1d(
    batches.flatMap((batch) => [...batch.labels]),
    'int32',
  );
  const observed = new Map<string, Tensor>();
  const loss = (...values: Tensor[]): Tensor => {
    const scope = {
      training: true,
      parameter: (name: string) => values[names.indexOf(name)]!,
      statistic: () => tf.scalar(0),
      observe: (name: string, value: Tensor) => observed.set(name, tf.keep(value)),
    };
    const { mean, std } = config.model.normalization;
    const features = model.encode(scope, normalize(images, mean, std));
    const stage = config.stages[0]!;
    if (!isContrastive(stage)) return softmaxLoss(stage, model.classify(scope, features), labels);
    const shown = tf.tensor1d([...imagesOfRows(K, m / viewsOf(stage), viewsOf(stage))], 'int32');
    return contrastiveLoss(stage, l2normalize(model.project(scope, features)), labels, shown);
  };
  const weights = model.parameters.map((spec) => tf.tensor(initialize(spec, config.seed), [...spec.shape]));
  const { value, grads } = tf.valueAndGrads(loss as never)(weights);
  const values = (tensor: Tensor) => tensor.dataSync() as Float32Array;
  return {
    loss: values(value)[0]!,
    gradients: new Map(names.map((name, i) => [name, values(grads[i]!)])),
    statistics: new Map([...observed].map(([name, tensor]) => [name, values(tensor)])),
  };
}

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

function workersFor(config: Config): Workers {
  const workers = new Workers(config, batches);
  ends.push(() => workers.end());
  return workers;
}

describe.each(['softmax', 'npairs', 'two views'] as const)('%s', (objective) => {
  it('5 micro-batches are one big batch to 1e-5, with the same bits on 1, 2, 3 and 4 workers', async () => {
    const config = configOf(objective);
    const expected = bigBatch(config);
    const hostTensors = liveHostTensors();
    const [one] = await workersFor(config).gradients(1);
    expect(Math.abs(one!.loss / expected.loss - 1)).toBeLessThan(1e-5);
    expect(relativeError(one!.gradients, expected.gradients)).toBeLessThan(1e-5);
    // Every micro-batch reports the statistics of the global batch; the update takes their mean.
    for (const [name, values] of expected.statistics) {
      expect(relativeError(one!.gradients, new Map([[name, values]]), 1 / K), name).toBeLessThan(1e-5);
    }
    for (const n of [2, 3, 4]) {
      for (const other of await workersFor(config).gradients(n)) expect(other).toEqual(one);
    }
    // What an earlier test abandoned may be collected meanwhile.
    expect(liveHostTensors()).toBeLessThanOrEqual(hostTensors);
  });
});

describe.each(['softmax', 'npairs'] as const)('%s', (objective) => {
  it('which micro-batches by themselves are not', async () => {
    const expected = bigBatch(configOf(objective));
    const [ghost] = await workersFor(configOf(objective, 'microBatch')).gradients(1);
    expect(relativeError(ghost!.gradients, expected.gradients)).toBeGreaterThan(0.1);
  });

  it.each(['encoder.bn2 moments', 'encoder.bn2 sums'])(
    'a worker that is lost at %s costs the step, and the next one finds nothing left over',
    async (last) => {
      const config = configOf(objective);
      const [expected] = await workersFor(config).gradients(1);
      const workers = workersFor(config);
      const [survivor, lost] = await workers.start(2);
      await workers.connect([survivor!, lost!]);
      await Promise.all([
        expect(workers.step(survivor!)).rejects.toThrow(/rank 1/),
        expect(workers.step(leavingAt(last, lost!))).rejects.toThrow('closed its links'),
      ]);
      await workers.connect([survivor!], 2);
      // Twice: a value left in a queue would shift all that come after it.
      for (const _ of [1, 2]) {
        const found = gradientsOf(survivor!, await workers.step(survivor!));
        expect(found).toEqual(expected!.gradients);
      }
    },
  );
});

it('says so when a worker would have more runs in flight than threads', async () => {
  const [worker] = await workersFor(configOf('softmax')).start(1);
  const most = Number(process.env.UV_THREADPOOL_SIZE) - 4;
  await worker!.program.reserve(most);
  await expect(worker!.program.reserve(most + 1)).rejects.toThrow(/at most 28; 29 were dealt.*/);
});
