/** Softmax cross-entropy of logits and integer labels, and how many the logits get right. */
import type { Scalar, Tensor1D, Tensor2D } from '@tensorflow/tfjs-node-gpu';
import { tf } from '../engine/tensorflow.js';
import { withGradient } from '../model/ops/raw.js';
import { crossEntropy } from './cross-entropy.js';

/**
 * The micro-batch's part of the global batch's mean: the sum of its losses over `globalCount`, the number of examples in
 * the GLOBAL batch. So losses and gradients of all parts are summed, never averaged. `correct` counts right answers.
 * @param logits [n,classes]
 * @param labels int32 [n], 0 … classes−1
 * @param options `smoothing` is the share of the target that all classes get alike (Szegedy et al. 2016, section 7); the
 * loss is then the cross-entropy to that target. Right answers are those of the labels all the same.
 */
export function softmaxCrossEntropy(
  logits: Tensor2D,
  labels: Tensor1D,
  { globalCount, smoothing = 0 }: { readonly globalCount: number; readonly smoothing?: number },
): { readonly loss: Scalar; readonly correct: Scalar } {
  const { losses, gradient } = crossEntropy(logits, targets(labels, logits.shape[1], smoothing));
  // One gradient for the whole, since tfjs's own for a sum and a quotient take five operations more.
  const loss = withGradient(
    tf.div(tf.sum(losses), globalCount) as Scalar,
    [logits],
    [gradient],
    (dy, gradient) => [tf.mul(gradient!, tf.div(dy, globalCount))],
  );
  const right = tf.equal(tf.argMax(logits, 1), labels);
  return { loss, correct: tf.sum(tf.cast(right, 'float32')) };
}

/** [n,classes]: 1 for the label, less `smoothing`, which all classes share. */
export function targets(labels: Tensor1D, classes: number, smoothing = 0): Tensor2D {
  const even = smoothing / classes;
  return tf.oneHot(labels, classes, 1 - smoothing + even, even, 'float32') as Tensor2D;
}
