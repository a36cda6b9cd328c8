/** Dynamic loss scaling (Micikevicius et al. 2018, section 3.2): the scale as it changes from step to step. */
import type { Tensor, Tensor1D } from '@tensorflow/tfjs-node-gpu';
import { tf } from '../engine/tensorflow.js';

/** Its limits: below 1 nothing is gained, and the next power of two above the largest would have no inverse. */
const smallest = 1;
const largest = 2 ** 126;

/**
 * What is remembered, float32 [3]: the scale, steps since it was changed or a step was skipped, and skipped steps in
 * the stage. All are whole numbers below 2^24 or powers of two, so float32 holds them exactly.
 */
export const lossScaleState = { name: 'loss-scale', shape: [3] } as const;

export function initialLossScale(scale: number): readonly number[] {
  return [scale, 0, 0];
}

/**
 * The state after a step: halved where its gradients were not finite, doubled after `growthInterval` good steps in a
 * row, as PyTorch's GradScaler does it.
 *
 * @param finite bool, scalar: whether the step's reduced gradients are
 */
export function nextLossScale(state: Tensor1D, finite: Tensor, growthInterval: number): Tensor1D {
  const [scale, good, skipped] = tf.split(state, 3) as [Tensor1D, Tensor1D, Tensor1D];
  const isGood = tf.reshape(finite, [1]);
  const row = tf.add(good, 1);
  const grows = tf.greaterEqual(row, growthInterval);
  const doubled = tf.minimum(tf.mul(scale, 2), largest);
  const halved = tf.maximum(tf.mul(scale, 0.5), smallest);
  const zero = tf.zerosLike(good);
  return tf.concat([
    tf.where(isGood, tf.where(grows, doubled, scale), halved),
    tf.where(isGood, tf.where(grows, zero, row), zero),
    tf.where(isGood, skipped, tf.add(skipped, 1)),
  ] as Tensor1D[]);
}
