/**
 * Convolutions of small images, as products of matrices. oneDNN computes a convolution image by image, so it reads the
 * whole kernel for every image; where an image has one pixel that is all it does. The product takes the batch at once.
 */
import type { Tensor2D, Tensor4D } from '@tensorflow/tfjs-node-gpu';
import { tfType } from '../../engine/dtype.js';
import { tf } from '../../engine/tensorflow.js';
import { matMul } from './mat-mul.js';
import { ofFloats, raw, withGradient } from './raw.js';
import { turnedProduct } from './turned-product.js';

/**
 * Every pixel's channels times the same matrix.
 *
 * @param x [B,H,W,in]
 * @param kernel [1,1,in,out]
 * @param turned whether kernels' gradients are turned where that is faster: see `turnedProduct`
 * @returns [B,⌈H/stride⌉,⌈W/stride⌉,out]
 */
export function pointwiseConvolution(
  x: Tensor4D,
  kernel: Tensor4D,
  stride: number,
  turned = false,
): Tensor4D {
  const pixels = stride === 1 ? x : everyPixel(x, stride);
  const [batch, height, width, inputs] = pixels.shape;
  const outputs = kernel.shape[3];
  const y = product(tf.reshape(pixels, [-1, inputs]), tf.reshape(kernel, [inputs, outputs]), turned);
  return tf.reshape(y, [batch, height, width, outputs]);
}

/**
 * One product for each pixel that comes out: what its window sees of the image, times the part of the kernel over it.
 *
 * @param x [B,H,W,in]
 * @param kernel [size,size,in,out], size odd
 * @returns [B,⌈H/stride⌉,⌈W/stride⌉,out]
 */
export function convolutionByPixel(x: Tensor4D, kernel: Tensor4D, stride: number): Tensor4D {
  const [batch, height, width, inputs] = x.shape;
  const [size, , , outputs] = kernel.shape;
  const [rows, columns] = [Math.ceil(height / stride), Math.ceil(width / stride)];
  const pixels = Array.from({ length: rows * columns }, (_, index) => {
    const down = window(Math.floor(index / columns), height, size, stride);
    const across = window(index % columns, width, size, stride);
    const seen = tf.slice(x, [0, down.from, across.from, 0], [batch, down.length, across.length, inputs]);
    const over = [down.length, across.length, inputs, outputs] as const;
    const weights = tf.slice(kernel, [down.tap, across.tap, 0, 0], [...over]);
    return product(tf.reshape(seen, [batch, -1]), tf.reshape(weights, [-1, outputs]));
  });
  return tf.reshape(tf.concat(pixels, 1), [batch, rows, columns, outputs]);
}

/** Where a window of `size`, with (size − 1)/2 of it before its pixel, lies on an image, and its first tap that does. */
function window(index: number, extent: number, size: number, stride: number) {
  const start = index * stride - (size - 1) / 2;
  const from = Math.max(start, 0);
  return { from, length: Math.min(start + size, extent) - from, tap: from - start };
}

/** a [m,k] · b [k,n] to [m,n]. */
function product(a: Tensor2D, b: Tensor2D, turned = false): Tensor2D {
  return withGradient(matMul(a, b), [a, b], [a, b], (dy, a, b) => [
    matMul(dy, b as Tensor2D, 'adj_y'),
    turned ? turnedProduct(a as Tensor2D, dy) : matMul(a as Tensor2D, dy, 'adj_x'),
  ]);
}

/**
 * The first of every `stride` rows and columns. Where these divide the image, `stride` rows are a dimension of their own and
 * `stride` pixels of a row are one with more channels, so what is wanted is a part that is copied by whole pixels.
 * TensorFlow's strided slice goes from number to number.
 */
function everyPixel(x: Tensor4D, stride: number): Tensor4D {
  const [batch, height, width, channels] = x.shape;
  const whole = height % stride === 0 && width % stride === 0;
  if (!whole) return everyNumber(x, stride);
  const [rows, columns] = [height / stride, width / stride];
  const cells = tf.reshape(x, [batch * rows, stride, columns, stride * channels]);
  const first = tf.slice(cells, [0, 0, 0, 0], [batch * rows, 1, columns, channels]);
  return tf.reshape(first, [batch, rows, columns, channels]);
}

function everyNumber(x: Tensor4D, stride: number): Tensor4D {
  const attributes = { ...ofFloats, Index: { kind: 'type', value: tfType.int32 } } as const;
  const range = () => [[0, 0, 0, 0], x.shape, [1, stride, stride, 1]].map((at) => tf.tensor1d(at, 'int32'));
  const y = raw<Tensor4D>('StridedSlice', [x, ...range()], attributes);
  return withGradient(y, [x], [], (dy) => [
    raw('StridedSliceGrad', [tf.tensor1d(x.shape, 'int32'), ...range(), dy], attributes),
  ]);
}
