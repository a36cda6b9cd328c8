/** From pixel values to network input. */
import type { Tensor4D } from '@tensorflow/tfjs-node-gpu';
import { tf } from '../engine/tensorflow.js';

/** (x/255 − mean) / std for pixels 0…255 [n,h,w,3], as one multiplication and one addition. */
export function normalize(pixels: Tensor4D, mean: readonly number[], std: readonly number[]): Tensor4D {
  const scale = tf.tensor1d(std.map((s) => 1 / (255 * s)));
  const offset = tf.tensor1d(mean.map((m, i) => -m / std[i]!));
  return tf.add(tf.mul(pixels, scale), offset);
}
