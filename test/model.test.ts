import type { Tensor, Tensor2D, Tensor4D } from '@tensorflow/tfjs-node-gpu';
import { describe, expect, it } from 'vitest';
import type { ModelConfig } from '../src/shared/config/schema.js';
import { elementCount } from '../src/shared/engine/dtype.js';
import { tf } from '../src/shared/engine/tensorflow.js';
import { initialize } from '../src/shared/model/initialize.js';
import { normalize } from '../src/shared/model/input.js';
import { buildModel, type Model } from '../src/shared/model/model.js';
import type { Scope } from '../src/shared/model/scope.js';
import { whiteningFilters } from '../src/shared/model/whitening.js';

function config(changes: Partial<ModelConfig> = {}): ModelConfig {
  return {
    encoder: 'tiny',
    stem: 'cifar',
    classifier: { hidden: [], dropout: 0, logitScale: 1 },
    batchNorm: { momentum: 0.9, epsilon: 1e-5, zeroInit: false, statistics: 'microBatch' },
    normalization: { mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25] },
    ...changes,
  };
}

const count = (model: Model) => model.parameters.reduce((sum, { shape }) => sum + elementCount(shape), 0);

/** A scope over freshly initialised tensors; what the model observes lies in `observed`. */
function scopeOf(model: Model, changes: Partial<Scope> = {}) {
  const parameters = new Map(
    model.parameters.map((spec) => [spec.name, tf.tensor(initialize(spec, 7), [...spec.shape])]),
  );
  const statistics = new Map(
    model.statistics.map(({ name, shape, init }) => [name, tf.fill([...shape], init)]),
  );
  const observed = new Map<string, Tensor>();
  const scope: Scope = {
    parameter: (name) => parameters.get(name)!,
    statistic: (name) => statistics.get(name)!,
    training: true,
    observe: (name, value) => observed.set(name, tf.keep(value)),
    ...changes,
  };
  return { scope, parameters, observed };
}

describe('buildModel', () => {
  // Torchvision's own counts, with its 3x3 stem variants counted by hand: see each comment.
  it.each([
    // Kuangliu's and SupContrast's ResNet-50 for CIFAR-10.
    ['resnet50', 'cifar', 23_520_842],
    // torchvision.models.resnet50(num_classes=10): 25,557,032 − 2,049,000 + 20,490.
    ['resnet50', 'imagenet', 23_528_522],
    ['resnet18', 'cifar', 11_173_962],
    // torchvision.models.resnet18(num_classes=10): 11,689,512 − 513,000 + 5,130.
    ['resnet18', 'imagenet', 11_181_642],
    // 3·9·16 + 16·9·32 + 32·9·32 = 14,256; BatchNorm 2·(16 + 32 + 32) = 160; head 32·10 + 10.
    // 3x3 convolutions 9·(24·64 + 64·64 + 64·256 + 3·256·256), biases 24 + 2·64 + 4·256, head 256·10 + 10.
    ['airbench', 'cifar', 1_971_362],
    ['tiny', 'cifar', 14_416 + 330],
  ] as const)('%s with the %s stem has %i trainable parameters', (encoder, stem, parameters) => {
    expect(count(buildModel(config({ encoder, stem })))).toBe(parameters);
  });

  it('airbench has the widths it is given', () => {
    const widths = [128, 384, 384];
    const model = buildModel(config({ encoder: 'airbench', widths }));
    expect(model.featureWidth).toBe(384);
    // 3x3 convolutions 9·(24·128 + 128·128 + 128·384 + 3·384·384), biases 24 + 2·128 + 4·384, head 384·10 + 10.
    expect(count(model)).toBe(4_604_450);
  });

  it("names tensors by torchvision's paths", () => {
    const { parameters, statistics } = buildModel(config({ encoder: 'resnet50' }));
    const names = parameters.map(({ name }) => name);
    expect(names.slice(0, 4)).toEqual([
      'encoder.conv1.kernel',
      'encoder.bn1.gamma',
      'encoder.bn1.beta',
      'encoder.layer1.0.conv1.kernel',
    ]);
    expect(names).toContain('encoder.layer4.0.downsample.0.kernel');
    expect(names).toContain('encoder.layer4.0.downsample.1.gamma');
    expect(names.at(-1)).toBe('classifier.0.bias');
    expect(new Set(names).size).toBe(names.length);
    expect(statistics).toHaveLength(2 * 53);
    expect(statistics[1]).toMatchObject({ name: 'encoder.bn1.variance', shape: [64], init: 1 });
  });

  it('decays kernels, and neither BatchNorm nor biases', () => {
    const model = buildModel(
      config({ encoder: 'resnet18', projection: { widths: [8], activation: 'none' } }),
    );
    for (const { name, decay } of model.parameters) expect(decay, name).toBe(name.endsWith('.kernel'));
  });

  it('begins with blocks that are their shortcuts, if asked to', () => {
    const batchNorm = { ...config().batchNorm, zeroInit: true };
    const zeros = (encoder: 'resnet18' | 'resnet50') =>
      buildModel(config({ encoder, batchNorm }))
        .parameters.filter(({ name, init }) => name.endsWith('gamma') && init.kind === 'zeros')
        .map(({ name }) => name);
    expect(zeros('resnet18')).toHaveLength(8);
    expect(zeros('resnet50')).toHaveLength(16);
    expect(zeros('resnet50')).toContain('encoder.layer3.5.bn3.gamma');
  });

  it('says which head a stage misses', () => {
    const model = buildModel(config());
    const { scope } = scopeOf(model);
    expect(() => model.project(scope, tf.zeros([1, 32]))).toThrow(/no projection head/);
  });
});

describe('forward', () => {
  it.each([
    ['resnet50', 'cifar', 2048],
    ['resnet50', 'imagenet', 2048],
    ['resnet18', 'cifar', 512],
    ['tiny', 'cifar', 32],
  ] as const)('%s with the %s stem: images to features to heads', (encoder, stem, width) => {
    tf.tidy(() => {
      const projection = { widths: [16, 8], activation: 'none' } as const;
      const model = buildModel(config({ encoder, stem, projection }));
      expect(model.embeddingWidth).toBe(8);
      const { scope, observed } = scopeOf(model);
      const features = model.encode(scope, tf.randomNormal([2, 8, 8, 3], 0, 1, 'float32', 1));
      expect(features.shape).toEqual([2, width]);
      expect(model.project(scope, features).shape).toEqual([2, 8]);
      const logits = model.classify(scope, features);
      expect(logits.shape).toEqual([2, 10]);
      expect(logits.dataSync().every(Number.isFinite)).toBe(true);
      expect([...observed.keys()].sort()).toEqual(model.statistics.map(({ name }) => name).sort());
      for (const { name, shape } of model.statistics) expect(observed.get(name)!.shape).toEqual(shape);
      for (const value of observed.values()) value.dispose();
    });
  });

  it('airbench whitens images, and its first kernels pass them on', () => {
    const model = buildModel(config({ encoder: 'airbench' }));
    tf.tidy(() => {
      const { scope } = scopeOf(model, { training: false });
      // What is the same everywhere has no contrast, and so nothing but the brightest filters answer.
      const features = model.encode(scope, tf.ones([1, 32, 32, 3]));
      expect(features.shape).toEqual([1, 256]);
      const answer = whiteningFilters.reduce((sum, row) => sum + row[0]!, 0);
      // All else is the identity: three blocks of two convolutions, BatchNorms of mean 0 and variance 1.
      expect(features.dataSync()[0]).toBeCloseTo(answer, 1);
    });
  });

  it('every parameter gets a gradient of its shape', () => {
    const model = buildModel(config({ encoder: 'resnet18' }));
    const { scope, parameters } = scopeOf(model);
    const images = tf.randomNormal([2, 8, 8, 3], 0, 1, 'float32', 1) as Tensor4D;
    const names = [...parameters.keys()];
    const { grads } = tf.valueAndGrads((...values: Tensor[]) => {
      const bound = new Map(names.map((name, i) => [name, values[i]!]));
      const inner: Scope = { ...scope, observe: () => {}, parameter: (name) => bound.get(name)! };
      return tf.sum(tf.square(model.classify(inner, model.encode(inner, images))));
    })([...parameters.values()]);
    for (const [i, { name, shape }] of model.parameters.entries()) {
      expect(grads[i]!.shape, name).toEqual(shape);
      expect(tf.max(tf.abs(grads[i]!)).dataSync()[0], name).toBeGreaterThan(0);
    }
  });

  it('without training it uses running statistics, observes nothing and takes each image by itself', () => {
    const model = buildModel(config());
    const { scope, observed } = scopeOf(model, { training: false });
    const images = tf.randomNormal([3, 8, 8, 3], 0, 1, 'float32', 2) as Tensor4D;
    const all = model.encode(scope, images).arraySync();
    const one = model.encode(scope, tf.slice(images, [1, 0, 0, 0], [1, 8, 8, 3])).arraySync();
    expect(observed.size).toBe(0);
    one[0]!.forEach((value, i) => {
      expect(value).toBeCloseTo(all[1]![i]!, 5);
    });
  });

  it('the projection ends in a ReLU only when the config says so', () => {
    const features = tf.randomNormal([4, 32], 0, 1, 'float32', 3) as Tensor2D;
    const smallest = (activation: 'none' | 'relu') => {
      const model = buildModel(config({ projection: { widths: [16, 16], activation } }));
      return tf.min(model.project(scopeOf(model).scope, features)).dataSync()[0]!;
    };
    expect(smallest('none')).toBeLessThan(0);
    expect(smallest('relu')).toBe(0);
  });

  it('drops out by the seed, in training only', () => {
    const model = buildModel(config({ classifier: { hidden: [64], dropout: 0.5, logitScale: 0.5 } }));
    const features = tf.randomNormal([4, 32], 0, 1, 'float32', 3) as Tensor2D;
    const logits = (seed: [number, number], training = true) => {
      const { scope } = scopeOf(model, { training, dropoutSeed: tf.tensor1d(seed, 'int32') });
      return [...model.classify(scope, features).dataSync()];
    };
    expect(logits([1, 2])).toEqual(logits([1, 2]));
    expect(logits([1, 2])).not.toEqual(logits([1, 3]));
    expect(logits([1, 2], false)).toEqual(logits([1, 3], false));
    expect(() => model.classify(scopeOf(model).scope, features)).toThrow(/no dropout seed/);
  });
});

describe('initialize', () => {
  const { parameters } = buildModel(config({ encoder: 'resnet18' }));
  const spec = (name: string) => parameters.find((parameter) => parameter.name === name)!;

  it('depends on seed and name only', () => {
    const conv1 = spec('encoder.layer1.0.conv1.kernel');
    const conv2 = spec('encoder.layer1.0.conv2.kernel');
    expect(conv1.shape).toEqual(conv2.shape);
    expect(initialize(conv1, 1)).toEqual(initialize(conv1, 1));
    expect(initialize(conv1, 1)).not.toEqual(initialize(conv1, 2));
    expect(initialize(conv1, 1)).not.toEqual(initialize(conv2, 1));
  });

  it('gives convolutions the variance 2/fanOut and dense layers 2/(fanIn + fanOut)', () => {
    const moments = (values: Float32Array) => {
      const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
      return { mean, variance: values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length };
    };
    // Standard errors: the mean's is σ/√n, the variance's at most σ²·√(2/n). Bounds are five of them.
    for (const [name, variance] of [
      ['encoder.layer2.0.conv1.kernel', 2 / (9 * 128)],
      ['classifier.0.kernel', 2 / (512 + 10)],
    ] as const) {
      const values = initialize(spec(name), 3);
      const found = moments(values);
      expect(Math.abs(found.mean), name).toBeLessThan(5 * Math.sqrt(variance / values.length));
      expect(Math.abs(found.variance / variance - 1), name).toBeLessThan(5 * Math.sqrt(2 / values.length));
    }
    expect([...initialize(spec('encoder.bn1.gamma'), 3)]).toEqual(Array(64).fill(1));
    expect([...initialize(spec('classifier.0.bias'), 3)]).toEqual(Array(10).fill(0));
  });
});

describe('normalize', () => {
  it('maps 0…255 to (pixel/255 − mean)/std, channel by channel', () => {
    const pixels = tf.tensor4d([0, 51, 255, 255, 0, 102], [1, 1, 2, 3]);
    const expected = [
      -0.5 / 0.25,
      (0.2 - 0.4) / 0.2,
      (1 - 0.3) / 0.5,
      0.5 / 0.25,
      -0.4 / 0.2,
      (0.4 - 0.3) / 0.5,
    ];
    const found = normalize(pixels, [0.5, 0.4, 0.3], [0.25, 0.2, 0.5]).dataSync();
    expected.forEach((value, i) => {
      expect(found[i]).toBeCloseTo(value, 5);
    });
  });
});
