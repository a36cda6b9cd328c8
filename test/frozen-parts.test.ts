/** A stage that freezes the first parts of the encoder: what is trained, its gradients, and what stays. */
import type { Tensor, Tensor1D, Tensor4D } from '@tensorflow/tfjs-node-gpu';
import { afterEach, describe, expect, it } from 'vitest';
import { parseConfig } from '../src/shared/config/parse.js';
import type { Config, ModelConfig } from '../src/shared/config/schema.js';
import { tf } from '../src/shared/engine/tensorflow.js';
import { softmaxCrossEntropy } from '../src/shared/loss/softmax.js';
import { encoderParts } from '../src/shared/model/encoder-parts.js';
import { initialize } from '../src/shared/model/initialize.js';
import { normalize, resize } from '../src/shared/model/input.js';
import { buildModel, imageShape } from '../src/shared/model/model.js';
import type { Scope } from '../src/shared/model/scope.js';
import { hash32 } from '../src/shared/random/keyed.js';
import type { MicroBatch } from '../src/worker/micro-batch.js';
import { stageShape } from '../src/worker/stage-shape.js';
import { type Gradients, relativeError, Workers } from './distributed.js';

const K = 2;
const m = 6;

function configOf(model: object, freeze: string): Config {
  const [optimizer, learningRate] = [{ kind: 'sgd' }, { decay: 'constant', peak: 0.1 }];
  return parseConfig(
    {
      name: 'frozen',
      data: { dataset: 'sample' },
      model: { classifier: {}, init: 'some file', ...model },
      batch: { microBatches: K, microBatchSize: m },
      stages: [{ name: 'tune', objective: 'softmax', freeze, epochs: 1, optimizer, learningRate }],
    },
    'test',
  );
}

const batches: readonly MicroBatch[] = Array.from({ length: K }, (_, k) => ({
  images: Uint8Array.from({ length: m * 32 * 32 * 3 }, (_, i) => hash32(7, 'pixel', k, i) & 255),
  labels: Int32Array.from({ length: m }, (_, i) => (3 * i + k) % 10),
  dropoutSeed: Int32Array.of(0, 0),
}));

/**
 * tfjs's own differentiation of all weights, eagerly: the layers named are in inference mode because a scope that
 * never trains answers for them, whatever the model knows of parts.
 */
function reference(config: Config, frozenLayers: RegExp): Gradients {
  const model = buildModel(config.model);
  const names = model.parameters.map(({ name }) => name);
  const gradients = tf.tidy(() => {
    const weights = model.parameters.map((spec) => tf.tensor(initialize(spec, config.seed), [...spec.shape]));
    const initial = new Map(model.statistics.map(({ name, init }) => [name, init]));
    const loss = (...values: Tensor[]): Tensor => {
      let training = true;
      const scope: Scope = {
        get training() {
          return training;
        },
        // A layer asks for its parameters before it asks how it is run.
        parameter: (name) => {
          training = !frozenLayers.test(name);
          return values[names.indexOf(name)]!;
        },
        statistic: (name) =>
          tf.fill([model.statistics.find((one) => one.name === name)!.shape[0]!], initial.get(name)!),
        observe: () => {},
      };
      const { mean, std } = config.model.normalization;
      const losses = batches.map(({ images, labels }) => {
        const pixels = tf.tensor(Float32Array.from(images), [m, ...imageShape]) as Tensor4D;
        const input = resize(normalize(pixels, mean, std), 40);
        const logits = model.classify({ ...scope, training: false }, model.encode(scope, input));
        return softmaxCrossEntropy(logits, tf.tensor1d(labels, 'int32') as Tensor1D, { globalCount: K * m })
          .loss;
      });
      return tf.addN(losses);
    };
    return tf.valueAndGrads(loss as never)(weights).grads;
  });
  const trained = names.flatMap((name, i) =>
    frozenLayers.test(name) ? [] : [[name, gradients[i]!.dataSync() as Float32Array] as const],
  );
  return new Map(trained);
}

let workers: Workers | undefined;
afterEach(() => workers?.end());

describe('gradients with frozen parts', () => {
  const frozen = {
    stem: /^encoder\.(conv|bn)1\./,
    stage1: /^encoder\.(conv|bn)[12]\./,
    encoder: /^encoder\./,
  };
  it.each(Object.entries(frozen))('%s: those of what is trained, and no others', async (freeze, layers) => {
    const config = configOf({ encoder: 'tiny', inputSize: 40 }, freeze);
    const expected = reference(config, layers);
    workers = new Workers(config, batches);
    const found = await workers.gradients(2);
    const names = [...found[0]!.gradients.keys()];
    expect(names.filter((name) => layers.test(name))).toEqual([]);
    expect(names).toEqual(expect.arrayContaining([...expected.keys()]));
    for (const { gradients } of found) expect(relativeError(gradients, expected)).toBeLessThan(1e-5);
    expect(found[1]).toEqual(found[0]);
  });

  it('are the same with the statistics of the global batch on 1 and 2 workers', async () => {
    const batchNorm = { statistics: 'globalBatch' };
    workers = new Workers(configOf({ encoder: 'tiny', batchNorm }, 'stem'), batches);
    const [one] = await workers.gradients(1);
    const two = await workers.gradients(2);
    expect(two[0]).toEqual(one);
    expect([...one!.gradients.keys()].some((name) => name.startsWith('encoder.bn1'))).toBe(false);
  });
});

describe('parts', () => {
  const encoders = ['resnet18', 'resnet50', 'resnet50-keras', 'resnet50v2', 'airbench', 'tiny'] as const;

  it.each(encoders)('%s: every tensor of the encoder is in one, in order', (encoder) => {
    const model = buildModel(configOf({ encoder }, 'stem').model);
    const { parts } = model.encoder;
    expect(parts.map(({ name }) => name)).toEqual(encoderParts(encoder));
    const inParts = parts.flatMap(({ parameters }) => parameters.map(({ name }) => name));
    expect(inParts).toEqual(
      model.parameters.flatMap(({ name, group }) => (group === 'encoder' ? [name] : [])),
    );
  });

  it('what a stage trains and observes is what no frozen part holds', () => {
    const config = configOf({ encoder: 'resnet50' }, 'stage2');
    const { trained, observedStatistics } = stageShape(config, buildModel(config.model), 0);
    const names = [...trained, ...observedStatistics].map(({ name }) => name);
    expect(names.filter((name) => /^encoder\.(conv1|bn1|layer[12])/.test(name))).toEqual([]);
    // Stages 3 and 4: (1 + 3·6) + (1 + 3·3) convolutions, as many BatchNorms with four tensors; and the head.
    expect(names).toHaveLength((19 + 10) * 5 + 2);
  });
});

describe('the networks of Keras', () => {
  const config = (encoder: ModelConfig['encoder']) =>
    configOf({ encoder, stem: 'imagenet', init: undefined }, 'none').model;

  // keras.applications: trainable parameters with 1,000 classes, less the head's 2,049,000, and 20,490 for 10 classes.
  it.each([
    ['resnet50-keras', 25_583_592],
    ['resnet50v2', 25_568_360],
  ] as const)('%s has as many parameters as with Keras', (encoder, withHead) => {
    const { parameters } = buildModel(config(encoder));
    const count = parameters.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
    expect(count).toBe(withHead - 2_049_000 + 20_490);
  });
});
