/** Rows of length 1: what n-pairs compares. */
import type { Tensor2D } from '@tensorflow/tfjs-node-gpu';
import { tf } from '../engine/tensorflow.js';
import { withGradient } from '../model/ops/raw.js';

/** Up to this squared length a row counts as zero (tf.math.l2_normalize has the same bound). */
const smallest = 1e-12;

/**
 * x/‖x‖ for each row of [n,d]; a row of zeros stays zero.
 * Its gradient is (I − v·vᵀ)·dv/‖x‖. A row that counts as zero has no direction and gets the gradient 0, where
 * tf.math.l2_normalize would give 10⁶·dv.
 */
export function l2normalize(x: Tensor2D): Tensor2D {
  const squares = tf.sum(tf.square(x), 1, true);
  const inverse = tf.rsqrt(tf.maximum(squares, smallest));
  const v = tf.mul(x, inverse) as Tensor2D;
  return withGradient(v, [x], [v, squares, inverse], (dv, v, squares, inverse) => {
    const along = tf.sum(tf.mul(v!, dv), 1, true);
    const factor = tf.mul(inverse!, tf.cast(tf.greater(squares!, smallest), 'float32'));
    return [tf.mul(tf.sub(dv, tf.mul(v!, along)), factor)];
  });
}
