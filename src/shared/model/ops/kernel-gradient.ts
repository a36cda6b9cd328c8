/**
 * The gradient of a 3x3 convolution's kernel, as nine products of matrices: for each tap, what it saw, transposed, times
 * the gradient of what came out. oneDNN computes it image by image, and in bfloat16 takes up to five times as long for
 * it as for the convolution, where images are small.
 */
import type { Tensor2D, Tensor4D } from '@tensorflow/tfjs-node-gpu';
import { tf } from '../../engine/tensorflow.js';
import { matMul } from './mat-mul.js';
import { zerosAround } from './padding.js';

const size = 3;

/**
 * Pixels lie along the first dimension and are rows of the whole batch, so that what a tap saw is a part of the images
 * that needs no copy. A zero after each row of pixels stands for the padding on its right, and on the left of the next.
 *
 * @param x [B,H,W,in], what was convolved, with one zero around it
 * @param dy [B,⌈H/stride⌉,⌈W/stride⌉,out]
 * @param stride 1 or 2
 * @returns [3,3,in,out]
 */
export function kernelGradient(x: Tensor4D, dy: Tensor4D, stride: number): Tensor4D {
  const [batch, height, width, inputs] = x.shape;
  const [, rows, columns, outputs] = dy.shape;
  const line = columns + 1;
  // The last tap begins two rows and two pixels late.
  const lines = rows + Math.ceil(size / stride);
  const taps = Array.from({ length: size }, (_, tap) => tap);

  // At stride 2 a tap sees every second row and column: those that are even, or those that are odd.
  const image = zerosAround(x, [1, lines * stride - height - 1], [1, line * stride - width - 1]);
  const parts = tf.reshape(image, [batch, lines, stride, line, stride, inputs]);
  const seen = tf.reshape(tf.transpose(parts, [2, 4, 1, 3, 0, 5]), [-1, batch * inputs]) as Tensor2D;

  const after = tf.transpose(zerosAround(dy, [0, 0], [0, 1]), [1, 2, 0, 3]);
  const gradient = tf.reshape(after, [-1, outputs]) as Tensor2D;
  const ofTaps = taps.flatMap((down) =>
    taps.map((across) => {
      const part = (down % stride) * stride + (across % stride);
      const first = (part * lines + Math.floor(down / stride)) * line + Math.floor(across / stride);
      const pixels = tf.slice(seen, [first, 0], [rows * line, batch * inputs]);
      return matMul(tf.reshape(pixels, [-1, inputs]) as Tensor2D, gradient, 'adj_x');
    }),
  );
  return tf.reshape(tf.concat(ofTaps, 0), [size, size, inputs, outputs]);
}
