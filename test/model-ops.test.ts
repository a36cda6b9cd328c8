import { isDeepStrictEqual } from 'node:util';
import type { Rank, Tensor, Tensor1D, Tensor2D, Tensor4D } from '@tensorflow/tfjs-node-gpu';
import { describe, expect, it } from 'vitest';
import { tf } from '../src/shared/engine/tensorflow.js';
import {
  type BatchNormWays,
  batchNormalization,
  frozenBatchNormalization,
  globalBatchNormalization,
} from '../src/shared/model/ops/batch-normalization.js';
import { type ConvolutionWays, convolution } from '../src/shared/model/ops/convolution.js';
import { dense } from '../src/shared/model/ops/dense.js';
import { dropout } from '../src/shared/model/ops/dropout.js';
import { kernelGradient } from '../src/shared/model/ops/kernel-gradient.js';
import { globalAverage, maxPool } from '../src/shared/model/ops/pooling.js';
import { withGradient } from '../src/shared/model/ops/raw.js';
import { addRelu, relu } from '../src/shared/model/ops/relu.js';
import { winogradConvolution } from '../src/shared/model/ops/winograd.js';
import { combineMoments, combineSums } from '../src/worker/exchange/moments.js';
import { dot, draws, expectClose, expectOperation, finiteDifferences } from './numeric.js';

type Shape4 = readonly [number, number, number, number];

/** Calls `visit` for every window position and every input position in it; padding (size − 1)/2, as in PyTorch. */
function windows(
  [batch, height, width]: readonly number[],
  size: number,
  stride: number,
  visit: (output: number, input: number, inWindow: number) => void,
): void {
  const pad = (size - 1) / 2;
  const [rows, columns] = [Math.ceil(height! / stride), Math.ceil(width! / stride)];
  for (let b = 0; b < batch!; b++)
    for (let i = 0; i < rows; i++)
      for (let j = 0; j < columns; j++)
        for (let di = 0; di < size; di++)
          for (let dj = 0; dj < size; dj++) {
            const [y, x] = [i * stride + di - pad, j * stride + dj - pad];
            if (y < 0 || y >= height! || x < 0 || x >= width!) continue;
            visit((b * rows + i) * columns + j, (b * height! + y) * width! + x, di * size + dj);
          }
}

const outputs = ([batch, height, width]: Shape4, stride: number, channels: number) =>
  batch * Math.ceil(height / stride) * Math.ceil(width / stride) * channels;

/** The convolution of x with a kernel [size,size,in,channels], by its definition. */
function convolved(
  shape: Shape4,
  size: number,
  stride: number,
  channels: number,
  x: Float64Array,
  kernel: Float64Array,
): Float64Array {
  const inputs = shape[3];
  const y = new Float64Array(outputs(shape, stride, channels));
  windows(shape, size, stride, (output, input, position) => {
    for (let c = 0; c < inputs; c++)
      for (let o = 0; o < channels; o++)
        y[output * channels + o]! += x[input * inputs + c]! * kernel[(position * inputs + c) * channels + o]!;
  });
  return y;
}

describe('convolution', () => {
  it.each([
    { name: '3x3, stride 1', size: 3, stride: 1, shape: [2, 4, 5, 2] },
    { name: '3x3, stride 2, even input', size: 3, stride: 2, shape: [2, 4, 6, 2] },
    { name: '3x3, stride 2, odd input', size: 3, stride: 2, shape: [1, 5, 3, 2] },
    { name: '7x7, stride 2', size: 7, stride: 2, shape: [1, 8, 6, 2] },
    { name: '1x1, stride 1', size: 1, stride: 1, shape: [2, 3, 4, 2] },
    { name: '1x1, stride 2', size: 1, stride: 2, shape: [2, 4, 4, 2] },
    { name: '1x1, stride 1, many pixels', size: 1, stride: 1, shape: [1, 17, 16, 1] },
    { name: '1x1, stride 2, odd input', size: 1, stride: 2, shape: [2, 3, 5, 2] },
    { name: '3x3, one pixel', size: 3, stride: 1, shape: [3, 1, 1, 2] },
    { name: '3x3, 2x2 pixels', size: 3, stride: 1, shape: [2, 2, 2, 2] },
    { name: '3x3, stride 2, to one pixel', size: 3, stride: 2, shape: [2, 2, 2, 2] },
    { name: '3x3, stride 2, to 2x2 pixels', size: 3, stride: 2, shape: [2, 4, 3, 2] },
    { name: '7x7, three pixels', size: 7, stride: 1, shape: [2, 3, 1, 2] },
  ])('$name', ({ size, stride, shape }) => {
    const [inputs, channels] = [shape[3]!, 3];
    expectOperation({
      op: (x: Tensor4D, kernel: Tensor4D) => convolution(x, kernel, stride),
      shapes: [shape, [size, size, inputs, channels]],
      reference: (x, kernel) => convolved(shape as unknown as Shape4, size, stride, channels, x!, kernel!),
    });
  });
});

describe("a kernel's gradient by products", () => {
  it.each([
    { name: 'stride 1', stride: 1, shape: [3, 4, 5, 2] as Shape4 },
    { name: 'stride 1, one pixel', stride: 1, shape: [2, 1, 1, 2] as Shape4 },
    { name: 'stride 2, even input', stride: 2, shape: [3, 4, 6, 2] as Shape4 },
    { name: 'stride 2, odd input', stride: 2, shape: [2, 5, 3, 2] as Shape4 },
    { name: 'stride 2, even rows and odd columns', stride: 2, shape: [2, 6, 7, 2] as Shape4 },
    { name: 'stride 2, one pixel', stride: 2, shape: [2, 1, 1, 2] as Shape4 },
  ])('$name', ({ stride, shape }) => {
    const channels = 3;
    const kernelShape = [3, 3, shape[3], channels] as const;
    const [batch, height, width, inputs] = shape;
    const x = draws(batch * height * width * inputs, 'seen');
    const dy = draws(outputs(shape, stride, channels), 'gradient');
    const rows = Math.ceil(height / stride);
    const loss = (kernel: Float64Array) => dot(dy, convolved(shape, 3, stride, channels, x, kernel));
    tf.tidy(() => {
      const found = kernelGradient(
        tf.tensor4d(Float32Array.from(x), [...shape]),
        tf.tensor4d(Float32Array.from(dy), [batch, rows, Math.ceil(width / stride), channels]),
        stride,
      );
      expect(found.shape).toEqual(kernelShape);
      expectClose(found, finiteDifferences(loss, new Float64Array(9 * inputs * channels)), 1e-5);
    });
  });

  it.each([1, 2])('is what a convolution of small images asks for, at stride %i', (stride) => {
    tf.tidy(() => {
      const x = tf.randomNormal<Rank.R4>([2, 8, 8, 128], 0, 1, 'float32', 1);
      const kernel = tf.randomNormal<Rank.R4>([3, 3, 128, 128], 0, 1, 'float32', 2);
      const gradients = (ways?: ConvolutionWays) =>
        tf.grads((x, kernel) =>
          tf.sum(tf.square(convolution(x as Tensor4D, kernel as Tensor4D, stride, ways))),
        )([x, kernel]);
      const [byProducts, plain] = [gradients({ smallImages: 'kernelGradient' }), gradients()];
      const [dx, dKernel] = plain.map((gradient) => gradient.dataSync());
      expectClose(byProducts[0]!, dx!, 0);
      expectClose(byProducts[1]!, dKernel!, 1e-5);
      expect(isDeepStrictEqual(byProducts[1]!.dataSync(), dKernel)).toBe(false);
    });
  });
});

describe('the gradient of a 1x1 kernel', () => {
  it.each([
    { inputs: 128, outputs: 1024, turned: true },
    { inputs: 1024, outputs: 128, turned: true },
    { inputs: 1024, outputs: 384, turned: false },
    { inputs: 1000, outputs: 128, turned: false },
  ])('of $inputs to $outputs channels is turned: $turned', async ({ inputs, outputs, turned }) => {
    const x = tf.randomNormal<Rank.R4>([2, 4, 4, inputs], 0, 1, 'float32', 1);
    const kernel = tf.randomNormal<Rank.R4>([1, 1, inputs, outputs], 0, 1, 'float32', 2);
    const gradient = (ways: ConvolutionWays) =>
      tf.grad((kernel) => tf.sum(tf.square(convolution(x, kernel as Tensor4D, 1, ways))))(kernel);
    const { kernels, result } = await tf.profile(() => gradient({ turned: true }));
    expectClose(result as Tensor, gradient({}).dataSync(), 1e-5);
    expect(kernels.filter(({ name }) => name === 'Transpose')).toHaveLength(
      !turned ? 0 : inputs > outputs ? 1 : 2,
    );
    tf.dispose([x, kernel, result as Tensor]);
  });
});

describe("Winograd's algorithm", () => {
  it.each([
    { name: 'one tile', shape: [2, 4, 4, 3] as Shape4 },
    { name: 'a tile that is not full', shape: [2, 3, 3, 2] as Shape4 },
    { name: 'four tiles', shape: [1, 8, 8, 2] as Shape4 },
    { name: 'more rows than columns, and neither fills its tiles', shape: [2, 7, 5, 2] as Shape4 },
    { name: 'one pixel', shape: [3, 1, 1, 2] as Shape4 },
  ])('$name', ({ shape }) => {
    expectOperation({
      op: winogradConvolution,
      shapes: [shape, [3, 3, shape[3], 2]],
      reference: (x, kernel) => convolved(shape, 3, 1, 2, x!, kernel!),
    });
  });

  it.each([
    { size: 3, stride: 1, width: 8, channels: 128, chosen: true },
    { size: 3, stride: 1, width: 9, channels: 128, chosen: false },
    { size: 3, stride: 1, width: 8, channels: 127, chosen: false },
    { size: 3, stride: 2, width: 8, channels: 128, chosen: false },
    { size: 5, stride: 1, width: 8, channels: 128, chosen: false },
  ])(
    'computes a kernel $size wide at stride $stride, images $width wide, $channels channels: $chosen',
    (example) => {
      const { size, stride, width, channels, chosen } = example;
      tf.tidy(() => {
        const x = tf.randomNormal<Rank.R4>([1, width, width, channels], 0, 1, 'float32', 1);
        const kernel = tf.randomNormal<Rank.R4>([size, size, channels, channels], 0, 1, 'float32', 2);
        const bits = (ways?: ConvolutionWays) => convolution(x, kernel, stride, ways).dataSync();
        expect(isDeepStrictEqual(bits({ smallImages: 'winograd' }), bits())).toBe(!chosen);
      });
    },
  );
});

describe('pooling', () => {
  it.each([
    { shape: [2, 6, 4, 2] as Shape4, sign: 1 },
    // All below zero: a padding of zeros would win here.
    { shape: [1, 5, 5, 1] as Shape4, sign: -1 },
  ])('the 3x3 maximum with stride 2 of $shape', ({ shape, sign }) => {
    const channels = shape[3];
    const values = draws(
      shape.reduce((a, b) => a * b),
      'pooled',
    );
    expectOperation({
      op: (x: Tensor4D) => maxPool(x, 3, 2),
      shapes: [shape],
      inputs: [sign < 0 ? values.map((value) => -Math.abs(value)) : values],
      reference: (x) => {
        const y = new Float64Array(outputs(shape, 2, channels)).fill(Number.NEGATIVE_INFINITY);
        windows(shape, 3, 2, (output, input) => {
          for (let c = 0; c < channels; c++) {
            const at = output * channels + c;
            y[at] = Math.max(y[at]!, x![input * channels + c]!);
          }
        });
        return y;
      },
    });
  });

  it.each([[[2, 3, 4, 2]], [[3, 1, 1, 5]]])('the average over the positions of %j', (shape) => {
    const [batch, height, width, channels] = shape as unknown as Shape4;
    expectOperation({
      op: (x: Tensor4D) => globalAverage(x),
      shapes: [shape],
      reference: (x) => {
        const y = new Float64Array(batch * channels);
        for (let i = 0; i < x!.length; i++) {
          const b = Math.floor(i / (height * width * channels));
          y[b * channels + (i % channels)]! += x![i]! / (height * width);
        }
        return y;
      },
    });
  });
});

describe('BatchNorm', () => {
  const shape = [3, 2, 4, 2] as const;
  const channels = 2;
  const perChannel = 3 * 2 * 4;
  const epsilon = 1e-2;

  function moments(x: Float64Array, count = perChannel): { mean: number[]; variance: number[] } {
    const of = (c: number) => x.filter((_, i) => i % channels === c);
    const mean = [0, 1].map((c) => of(c).reduce((sum, value) => sum + value, 0) / count);
    const variance = [0, 1].map(
      (c) => of(c).reduce((sum, value) => sum + (value - mean[c]!) ** 2, 0) / count,
    );
    return { mean, variance };
  }

  function normalized(
    x: Float64Array,
    gamma: Float64Array,
    beta: Float64Array,
    mean: ArrayLike<number>,
    variance: ArrayLike<number>,
  ): Float64Array {
    return x.map((value, i) => {
      const c = i % channels;
      return (gamma[c]! * (value - mean[c]!)) / Math.sqrt(variance[c]! + epsilon) + beta[c]!;
    });
  }

  const allWays: readonly BatchNormWays[] = [
    {},
    { passesFrom: channels },
    { frozenGradient: 'sums' },
    { fused: true },
  ];

  it.each(allWays)(
    "in training normalises by the batch's statistics, and differentiates through them (%j)",
    (ways) => {
      expectOperation({
        op: (x: Tensor4D, gamma: Tensor1D, beta: Tensor1D) =>
          batchNormalization(x, gamma, beta, epsilon, ways).y,
        shapes: [shape, [channels], [channels]],
        reference: (x, gamma, beta) => {
          const { mean, variance } = moments(x!);
          return normalized(x!, gamma!, beta!, mean, variance);
        },
      });
    },
  );

  it.each([{}, { fused: true }])(
    'in training is followed by ReLU, with a shortcut and without (%j)',
    (ways) => {
      const inputs = [shape, [channels], [channels]];
      const op = (x: Tensor4D, gamma: Tensor1D, beta: Tensor1D, shortcut?: Tensor4D) =>
        batchNormalization(x, gamma, beta, epsilon, ways, { relu: true, shortcut }).y;
      const reference = (
        x?: Float64Array,
        gamma?: Float64Array,
        beta?: Float64Array,
        shortcut?: Float64Array,
      ) => {
        const { mean, variance } = moments(x!);
        return normalized(x!, gamma!, beta!, mean, variance).map((value, i) =>
          Math.max(value + (shortcut?.[i] ?? 0), 0),
        );
      };
      expectOperation({ op, shapes: inputs, reference });
      expectOperation({ op, shapes: [...inputs, shape], reference });
    },
  );

  it.each(allWays)("gives the batch's mean, and its variance with Bessel's correction (%j)", (ways) => {
    const x = draws(perChannel * channels, 'batch');
    const { mean, variance } = moments(x);
    const found = batchNormalization(
      tf.tensor(Float32Array.from(x), [...shape]) as Tensor4D,
      tf.ones([channels]),
      tf.zeros([channels]),
      epsilon,
      ways,
    );
    expectClose(found.mean, mean, 1e-5);
    expectClose(
      found.variance,
      variance.map((value) => (value * perChannel) / (perChannel - 1)),
      1e-5,
    );
  });

  it('the statistics survive a gradient, which is the same whether they are used or not', () => {
    const x = tf.tensor(Float32Array.from(draws(perChannel * channels, 'batch')), [...shape]) as Tensor4D;
    const observed: Tensor1D[] = [];
    const loss = (x: Tensor) => {
      const { y, mean, variance } = batchNormalization(
        x as Tensor4D,
        tf.ones([channels]),
        tf.zeros([channels]),
        epsilon,
      );
      observed.push(tf.keep(mean), tf.keep(variance));
      return tf.sum(tf.mul(tf.square(y), y));
    };
    const gradient = tf.grad(loss)(x);
    expect(observed[0]!.dataSync()).toHaveLength(channels);
    expectClose(gradient, tf.grad(loss)(x).dataSync(), 0);
  });

  it.each(allWays)(
    'over the global batch normalises by its statistics, and differentiates through them into every micro-batch (%j)',
    (ways) => {
      const parts = 3;
      const size = perChannel * channels;
      // Each part has a level and a spread of its own.
      const x = draws(parts * size, 'global').map((value, i) => {
        const part = Math.floor(i / size);
        return Math.fround(value * (1 + part) + 3 * part);
      });
      const gamma = draws(channels, 'gamma');
      const beta = draws(channels, 'beta');
      const r = draws(parts * size, 'direction');
      const of = (values: Float64Array, part: number) => values.slice(part * size, (part + 1) * size);
      const reference = (x: Float64Array, gamma: Float64Array, beta: Float64Array) => {
        const { mean, variance } = moments(x, parts * perChannel);
        return normalized(x, gamma, beta, mean, variance);
      };

      // Eagerly no part can wait for another, so all are computed again until they know of each other: what the parts
      // told in one round is answered in the next.
      const told = {
        moments: new Float32Array(parts * 2 * channels),
        sums: new Float32Array(parts * 2 * channels),
      };
      const round = () => {
        const answers = { moments: combineMoments(told.moments, parts), sums: combineSums(told.sums, parts) };
        return Array.from({ length: parts }, (_, part) => {
          const ask = (kind: 'moments' | 'sums') => (local: Tensor1D) => {
            told[kind].set(local.dataSync(), part * 2 * channels);
            return tf.tensor1d(answers[kind]);
          };
          const global = { microBatches: parts, moments: ask('moments'), sums: ask('sums') };
          const values: Record<string, Tensor> = {};
          const gradients = tf.grads((...given: Tensor[]) => {
            const [x, gamma, beta] = given as [Tensor4D, Tensor1D, Tensor1D];
            const found = globalBatchNormalization(x, gamma, beta, epsilon, global, ways);
            for (const [name, value] of Object.entries(found)) values[name] = tf.keep(value);
            return tf.sum(tf.mul(found.y, tf.tensor(Float32Array.from(of(r, part)), [...shape])));
          })([
            tf.tensor(Float32Array.from(of(x, part)), [...shape]),
            tf.tensor1d(Float32Array.from(gamma)),
            tf.tensor1d(Float32Array.from(beta)),
          ]);
          return { values, gradients };
        });
      };
      round();
      round();
      const found = round();

      const expected = reference(x, gamma, beta);
      const { mean, variance } = moments(x, parts * perChannel);
      const count = parts * perChannel;
      const dx = finiteDifferences((x) => dot(r, reference(x, gamma, beta)), x);
      for (const [part, { values, gradients }] of found.entries()) {
        expectClose(values.y!, of(expected, part), 1e-5);
        expectClose(values.mean!, mean, 1e-5);
        expectClose(
          values.variance!,
          variance.map((value) => (value * count) / (count - 1)),
          1e-5,
        );
        expectClose(gradients[0]!, of(dx, part), 1e-4);
      }
      // Those of gamma and beta are shares: their sum is the whole.
      const total = (i: number) => found.map(({ gradients }) => gradients[i]!).reduce((a, b) => tf.add(a, b));
      expectClose(
        total(1),
        finiteDifferences((gamma) => dot(r, reference(x, gamma, beta)), gamma),
        1e-4,
      );
      expectClose(
        total(2),
        finiteDifferences((beta) => dot(r, reference(x, gamma, beta)), beta),
        1e-4,
      );
    },
  );

  it.each(allWays)(
    'in inference normalises by given statistics, which are constants to the gradient (%j)',
    (ways) => {
      const mean = [0.3, -0.2];
      const variance = [0.5, 2];
      expectOperation({
        op: (x: Tensor4D, gamma: Tensor1D, beta: Tensor1D) =>
          frozenBatchNormalization(x, gamma, beta, tf.tensor1d(mean), tf.tensor1d(variance), epsilon, ways),
        shapes: [shape, [channels], [channels]],
        reference: (x, gamma, beta) => normalized(x!, gamma!, beta!, mean, variance),
      });
    },
  );
});

describe('ReLU', () => {
  it('of one tensor', () => {
    expectOperation({
      op: (x: Tensor2D) => relu(x),
      shapes: [[4, 5]],
      reference: (x) => x!.map((value) => Math.max(value, 0)),
    });
  });

  it('of a sum', () => {
    expectOperation({
      op: (a: Tensor2D, b: Tensor2D) => addRelu(a, b),
      shapes: [
        [4, 5],
        [4, 5],
      ],
      reference: (a, b) => a!.map((value, i) => Math.max(value + b![i]!, 0)),
    });
  });

  it('of a sum of a tensor with itself', () => {
    expectOperation({
      op: (a: Tensor2D) => addRelu(a, a),
      shapes: [[4, 5]],
      reference: (a) => a!.map((value) => Math.max(2 * value, 0)),
    });
  });
});

describe('dense', () => {
  it('multiplies and adds a bias', () => {
    const [batch, inputs, width] = [3, 4, 2];
    expectOperation({
      op: dense,
      shapes: [[batch, inputs], [inputs, width], [width]],
      reference: (x, kernel, bias) =>
        Float64Array.from({ length: batch * width }, (_, at) => {
          const [row, column] = [Math.floor(at / width), at % width];
          let sum = bias![column]!;
          for (let i = 0; i < inputs; i++) sum += x![row * inputs + i]! * kernel![i * width + column]!;
          return sum;
        }),
    });
  });
});

describe('dropout', () => {
  const seed = (a: number, b: number) => tf.tensor1d([a, b], 'int32');
  const dropped = (a: number, b: number, layer: number) => [
    ...dropout(tf.ones([100, 100]), 0.25, seed(a, b), layer).dataSync(),
  ];

  it('sets the share `rate` to 0 and scales the rest by 1/(1 − rate)', () => {
    const values = dropped(1, 2, 0);
    const zeros = values.filter((value) => value === 0).length;
    // Binomial(10000, 1/4): standard deviation 43.3; five of them.
    expect(Math.abs(zeros - 2500)).toBeLessThan(217);
    expect(new Set(values)).toEqual(new Set([0, Math.fround(1 / 0.75)]));
  });

  it('is a function of seed and layer', () => {
    const first = dropped(1, 2, 0);
    expect(dropped(1, 2, 0)).toEqual(first);
    for (const other of [dropped(1, 3, 0), dropped(2, 2, 0), dropped(1, 2, 1), dropped(2, 1, 0)]) {
      // Independent masks agree in 0.75² + 0.25² = 62.5 % of the places.
      const agreeing = other.filter((value, i) => value === first[i]).length;
      expect(Math.abs(agreeing - 6250)).toBeLessThan(250);
    }
  });

  it('masks the gradient as it masks the value', () => {
    const x = tf.ones([10, 10]);
    const gradient = tf.grad((x) => tf.sum(dropout(x, 0.25, seed(1, 2), 0)))(x);
    expectClose(gradient, dropout(x, 0.25, seed(1, 2), 0).dataSync(), 0);
  });

  it('with rate 0 changes nothing', () => {
    const x = tf.ones([2, 2]);
    expect(dropout(x, 0, seed(1, 2), 0)).toBe(x);
  });
});

describe('withGradient', () => {
  it('replaces the gradient of the tfjs calls that made the value', () => {
    // Twice x, said to have the gradient 5: 7 would mean that both were added.
    const f = (x: Tensor) => tf.sum(withGradient(tf.mul(x, 2), [x], [], (dy) => [tf.mul(dy, 5)]));
    expect([
      ...tf
        .grad(f)(tf.tensor1d([1, 2]))
        .dataSync(),
    ]).toEqual([5, 5]);
  });

  it('leaves no tensors behind', () => {
    const x = tf.ones([2, 4, 4, 3]) as Tensor4D;
    const kernel = tf.ones([3, 3, 3, 2]) as Tensor4D;
    const before = tf.memory().numTensors;
    tf.tidy(() => {
      tf.grads((...given: Tensor[]) => {
        const [x, kernel] = given as [Tensor4D, Tensor4D];
        const { y } = batchNormalization(convolution(x, kernel, 1), tf.ones([2]), tf.zeros([2]), 1e-3);
        return tf.sum(globalAverage(relu(y)));
      })([x, kernel]);
    });
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe('the tools of these tests', () => {
  it('finite differences find a known gradient', () => {
    const x = draws(5, 'x');
    const found = finiteDifferences((y) => dot(y, y), x);
    found.forEach((value, i) => {
      expect(value).toBeCloseTo(2 * x[i]!, 6);
    });
  });
});
