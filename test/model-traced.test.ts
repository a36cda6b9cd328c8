import type { Tensor, Tensor1D, Tensor2D, Tensor4D } from '@tensorflow/tfjs-node-gpu';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ModelConfig } from '../src/shared/config/schema.js';
import { Session } from '../src/shared/engine/session.js';
import { tf } from '../src/shared/engine/tensorflow.js';
import { l2normalize } from '../src/shared/loss/normalize.js';
import { npairsGradient } from '../src/shared/loss/npairs.js';
import { ntxentGradient } from '../src/shared/loss/ntxent.js';
import { softmaxCrossEntropy } from '../src/shared/loss/softmax.js';
import { supconGradient } from '../src/shared/loss/supcon.js';
import { tripletGradient } from '../src/shared/loss/triplet.js';
import { initialize } from '../src/shared/model/initialize.js';
import { normalize } from '../src/shared/model/input.js';
import { buildModel, type Model } from '../src/shared/model/model.js';
import { clipFactor, norm } from '../src/shared/optimizer/gradient.js';
import { expectClose } from './numeric.js';

let session: Session;
beforeAll(() => {
  session = new Session({ precision: 'float32', device: 'cpu' });
});
afterAll(() => session.close());

interface Input {
  readonly dtype: 'float32' | 'int32';
  readonly shape: readonly number[];
  readonly values: Float32Array | number[];
}

let traces = 0;

/** Runs `f` eagerly and as one graph, and expects the same named tensors from both. */
async function expectSame(
  inputs: Readonly<Record<string, Input>>,
  f: (input: (name: string) => Tensor) => Record<string, Tensor>,
): Promise<string[]> {
  const traced = session.trace(`trace ${traces++}`, (t) => {
    const given = new Map(
      Object.entries(inputs).map(([name, { dtype, shape }]) => [name, t.input(name, dtype, shape)]),
    );
    return f((name) => given.get(name)!);
  });
  const feeds = Object.fromEntries(Object.entries(inputs).map(([name, { values }]) => [name, values]));
  const outputs = await traced.run(feeds);
  tf.tidy(() => {
    const eager = f((name) => {
      const { dtype, shape, values } = inputs[name]!;
      return tf.tensor(values, [...shape], dtype);
    });
    expect(Object.keys(outputs)).toEqual(Object.keys(eager));
    for (const [name, { floats }] of Object.entries(outputs)) expectClose(eager[name]!, floats, 1e-5);
  });
  for (const output of Object.values(outputs)) output.free();
  return Object.keys(outputs);
}

function config(changes: Partial<ModelConfig>): ModelConfig {
  return {
    encoder: 'tiny',
    stem: 'cifar',
    projection: { widths: [12, 8], activation: 'none' },
    classifier: { hidden: [16], dropout: 0.5, logitScale: 0.5 },
    batchNorm: { momentum: 0.9, epsilon: 1e-3, zeroInit: false, statistics: 'microBatch' },
    normalization: { mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25] },
    ...changes,
  };
}

const batch = 6;
const labels: Input = { dtype: 'int32', shape: [batch], values: [3, 1, 3, 0, 9, 1] };

function modelInputs(model: Model, size: number): Record<string, Input> {
  const pixels = Array.from({ length: batch * size * size * 3 }, (_, i) => (i * 7919) % 256);
  const inputs: Record<string, Input> = {
    images: { dtype: 'float32', shape: [batch, size, size, 3], values: pixels },
    labels,
    seed: { dtype: 'int32', shape: [2], values: [5, 6] },
  };
  for (const spec of model.parameters) {
    inputs[spec.name] = { dtype: 'float32', shape: spec.shape, values: initialize(spec, 1) };
  }
  for (const { name, shape, init } of model.statistics) {
    inputs[name] = { dtype: 'float32', shape, values: new Float32Array(shape[0]!).fill(init + 0.5) };
  }
  return inputs;
}

describe('a traced model does what it does eagerly', () => {
  it.each([
    ['tiny', 'cifar', 8],
    ['airbench', 'cifar', 32],
    ['resnet18', 'imagenet', 32],
    ['resnet50', 'cifar', 4],
    ['resnet50-keras', 'imagenet', 32],
    ['resnet50v2', 'imagenet', 32],
  ] as const)('%s, %s stem: losses, statistics, all gradients', async (encoder, stem, size) => {
    const model = buildModel(config({ encoder, stem }));
    const outputs = await expectSame(modelInputs(model, size), (input) => {
      const observed: Record<string, Tensor> = {};
      const names = model.parameters.map(({ name }) => name);
      const images = normalize(input('images') as Tensor4D, [0.5, 0.4, 0.3], [0.2, 0.3, 0.4]);
      const { value, grads } = tf.valueAndGrads((...values: Tensor[]) => {
        const scope = {
          training: true,
          dropoutSeed: input('seed'),
          parameter: (name: string) => values[names.indexOf(name)]!,
          statistic: input,
          observe: (name: string, statistic: Tensor) => {
            observed[`observed ${name}`] = tf.keep(statistic);
          },
        };
        const features = model.encode(scope, images);
        const logits = model.classify(scope, features);
        const rows = l2normalize(model.project(scope, features));
        const of = (smoothing: number) =>
          softmaxCrossEntropy(logits, input('labels') as Tensor1D, { globalCount: 2 * batch, smoothing })
            .loss;
        return tf.add(tf.add(of(0), of(0.1)), tf.sum(tf.mul(rows, tf.square(rows))));
      })(names.map(input));
      const factor = clipFactor(norm(grads[0]!), 0.01);
      const small = grads.map((grad) => tf.mul(grad, factor));
      const gradients = Object.fromEntries(names.map((name, i) => [`gradient ${name}`, small[i]!]));
      return { value, ...observed, ...gradients };
    });
    expect(outputs).toHaveLength(1 + model.statistics.length + model.parameters.length);
  });

  it('in inference', async () => {
    const model = buildModel(config({ encoder: 'resnet18' }));
    await expectSame(modelInputs(model, 8), (input) => {
      const scope = { training: false, parameter: input, statistic: input, observe: () => {} };
      const logits = model.classify(scope, model.encode(scope, input('images') as Tensor4D));
      return { logits, ...softmaxCrossEntropy(logits, input('labels') as Tensor1D, { globalCount: 8 }) };
    });
  });

  it('and so do the gradients of the contrastive objectives', async () => {
    const values = Float32Array.from({ length: batch * 4 }, (_, i) => Math.sin(i));
    await expectSame({ V: { dtype: 'float32', shape: [batch, 4], values }, labels }, (input) => {
      const V = l2normalize(input('V') as Tensor2D);
      const labels = input('labels') as Tensor1D;
      const all = {
        npairs: npairsGradient(V, labels, 0.1),
        supcon: supconGradient(V, labels, 0.1),
        ntxent: ntxentGradient(V, tf.tensor1d([0, 1, 2, 0, 1, 2], 'int32'), 0.1),
        triplet: tripletGradient(V, labels, 0.5),
      };
      return Object.fromEntries(
        Object.entries(all).flatMap(([name, found]) =>
          Object.entries(found).map(([key, value]) => [`${name} ${key}`, value as Tensor]),
        ),
      );
    });
  });
});
