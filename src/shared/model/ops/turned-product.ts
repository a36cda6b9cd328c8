/** The gradient of a product's second factor, for oneDNN on AVX2. */
import type { Tensor2D } from '@tensorflow/tfjs-node-gpu';
import { tf } from '../../engine/tensorflow.js';
import { matMul } from './mat-mul.js';

/**
 * aᵀ·b of a [k,m] and b [k,n], for which the wider one is transposed by an operation of its own where that is faster.
 * oneDNN's product for AVX2 (3.7) does not copy its operands where the narrower one has fewer than 384 columns, and rows of
 * a multiple of 4 KiB then fall on the same lines of the cache: half as fast, whatever is transposed for it.
 */
export function turnedProduct(a: Tensor2D, b: Tensor2D): Tensor2D {
  const [narrow, wide] = [a.shape[1], b.shape[1]].sort((one, other) => one - other) as [number, number];
  const isSlow = wide % 1024 === 0 && narrow >= 128 && narrow < 384;
  if (!isSlow) return matMul(a, b, 'adj_x');
  return a.shape[1] === wide
    ? matMul(tf.transpose(a), b)
    : (tf.transpose(matMul(tf.transpose(b), a)) as Tensor2D);
}
