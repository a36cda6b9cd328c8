/** The operations that Keras's networks and enlarged images need, by their definitions in float64 and finite differences. */
import type { Tensor1D, Tensor2D, Tensor4D } from '@tensorflow/tfjs-node-gpu';
import { describe, expect, it } from 'vitest';
import { normalizationPresets } from '../src/shared/config/normalization.js';
import { tf } from '../src/shared/engine/tensorflow.js';
import { networkInput, resize } from '../src/shared/model/input.js';
import { biased } from '../src/shared/model/ops/bias.js';
import { maxPool, zeroPaddedMaxPool } from '../src/shared/model/ops/pooling.js';
import { add } from '../src/shared/model/ops/relu.js';
import { draws, expectClose, expectOperation } from './numeric.js';

type Shape4 = readonly [number, number, number, number];

const at = ([, height, width, channels]: Shape4, b: number, y: number, x: number, c: number) =>
  ((b * height + y) * width + x) * channels + c;

describe('max-pooling between zeros', () => {
  // Of even and odd sizes; where all values are negative, zeros win at the border.
  it.each([
    [[2, 6, 6, 3], 1],
    [[1, 5, 7, 2], 1],
    [[2, 6, 6, 3], -1],
  ] as const)('%j, sign %i', (shape, sign) => {
    const [batch, height, width, channels] = shape;
    const [rows, columns] = [Math.ceil(height / 2), Math.ceil(width / 2)];
    const values = draws(batch * height * width * channels, 'values');
    expectOperation({
      op: (x: Tensor4D) => zeroPaddedMaxPool(x, 3, 2),
      shapes: [shape],
      inputs: [sign < 0 ? values.map((value) => -Math.abs(value)) : values],
      reference: (x) => {
        const y = new Float64Array(batch * rows * columns * channels).fill(Number.NEGATIVE_INFINITY);
        for (let b = 0; b < batch; b++)
          for (let i = 0; i < rows; i++)
            for (let j = 0; j < columns; j++)
              for (let c = 0; c < channels; c++)
                for (const di of [-1, 0, 1])
                  for (const dj of [-1, 0, 1]) {
                    const [v, h] = [2 * i + di, 2 * j + dj];
                    const outside = v < 0 || v >= height || h < 0 || h >= width;
                    const to = at([batch, rows, columns, channels], b, i, j, c);
                    y[to] = Math.max(y[to]!, outside ? 0 : x![at(shape, b, v, h, c)]!);
                  }
        return y;
      },
    });
  });
});

it('a window of one value at stride 2 takes every second one', () => {
  const shape = [2, 5, 4, 2] as const;
  expectOperation({
    op: (x: Tensor4D) => maxPool(x, 1, 2),
    shapes: [shape],
    reference: (x) => {
      const y: number[] = [];
      for (let b = 0; b < 2; b++)
        for (let i = 0; i < 3; i++)
          for (let j = 0; j < 2; j++) for (let c = 0; c < 2; c++) y.push(x![at(shape, b, 2 * i, 2 * j, c)]!);
      return y;
    },
  });
});

it('a bias for each channel', () => {
  expectOperation({
    op: (x: Tensor4D, bias: Tensor1D) => biased(x, bias),
    shapes: [[2, 3, 2, 4], [4]],
    reference: (x, bias) => x!.map((value, i) => value + bias![i % 4]!),
  });
});

it('a sum, of two tensors and of one with itself', () => {
  const shapes = [
    [3, 4],
    [3, 4],
  ];
  expectOperation({
    op: (a: Tensor2D, b: Tensor2D) => add(a, b),
    shapes,
    reference: (a, b) => a!.map((value, i) => value + b![i]!),
  });
  expectOperation({
    op: (a: Tensor2D) => add(a, a),
    shapes: [[3, 4]],
    reference: (a) => a!.map((value) => 2 * value),
  });
});

describe('enlarged images', () => {
  it('2x2 to 4x4: three quarters of the nearer pixel and one of the farther, and the border goes on', () => {
    const image = tf.tensor4d([0, 4, 8, 16], [1, 2, 2, 1]);
    const rows = [
      [0, 1, 3, 4],
      [2, 3.25, 5.75, 7],
      [6, 7.75, 11.25, 13],
      [8, 10, 14, 16],
    ];
    expectClose(resize(image, 4), rows.flat(), 1e-6);
  });

  it('to any size: the value at (i + 1/2)·in/out − 1/2', () => {
    const [from, to] = [5, 12];
    const values = draws(from * from, 'image');
    const expected = Array.from({ length: to * to }, (_, at) => {
      const place = (i: number) => Math.min(Math.max(((i + 0.5) * from) / to - 0.5, 0), from - 1);
      const [y, x] = [place(Math.floor(at / to)), place(at % to)];
      const [top, left] = [Math.floor(y), Math.floor(x)];
      const value = (i: number, j: number) => values[Math.min(i, from - 1) * from + Math.min(j, from - 1)]!;
      const row = (i: number) => (1 - (x - left)) * value(i, left) + (x - left) * value(i, left + 1);
      return (1 - (y - top)) * row(top) + (y - top) * row(top + 1);
    });
    expectClose(resize(tf.tensor4d(Float32Array.from(values), [1, from, from, 1]), to), expected, 1e-6);
  });
});

describe('a pixel of 10, 100 and 200', () => {
  // torchvision: (x/255 − mean)/std. Keras, mode caffe: blue, green, red less 103.939, 116.779, 123.68; mode tf: x/127.5 − 1.
  it.each([
    ['imagenet', [(10 / 255 - 0.485) / 0.229, (100 / 255 - 0.456) / 0.224, (200 / 255 - 0.406) / 0.225]],
    ['caffe', [200 - 103.939, 100 - 116.779, 10 - 123.68]],
    ['tf', [10 / 127.5 - 1, 100 / 127.5 - 1, 200 / 127.5 - 1]],
  ] as const)('%s', (preset, expected) => {
    const normalization = normalizationPresets[preset];
    const pixels = tf.tensor4d([10, 100, 200], [1, 1, 1, 3]);
    const input = networkInput(pixels, { normalization, inputSize: 32 });
    expect(input.shape).toEqual([1, 32, 32, 3]);
    expectClose(tf.slice(input, [0, 5, 7, 0], [1, 1, 1, 3]), expected, 1e-6);
  });
});
