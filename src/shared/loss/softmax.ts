/** Softmax cross-entropy of logits and integer labels, and how many the logits get right. */
import type { Scalar, Tensor1D, Tensor2D } from '@tensorflow/tfjs-node-gpu';
import { tfType } from '../engine/dtype.js';
import type { Attributes } from '../engine/graph.js';
import { tf } from '../engine/tensorflow.js';
import { ofFloats, rawOutputs, withGradient } from '../model/ops/raw.js';

const attributes: Attributes = { ...ofFloats, Tlabels: { kind: 'type', value: tfType.int32 } };

/**
 * Per row: −ln softmax(logits)[label] in nats, and 1 where the largest logit is the label's. Both float32 [n].
 * @param logits [n,classes]
 * @param labels int32 [n], 0 … classes−1
 */
export function perExampleCrossEntropy(
  logits: Tensor2D,
  labels: Tensor1D,
): { readonly loss: Tensor1D; readonly correct: Tensor1D } {
  const { losses, gradient } = crossEntropy(logits, labels);
  const loss = withGradient(losses, [logits], [gradient], (dy, gradient) => [
    tf.mul(gradient!, tf.expandDims(dy, 1)),
  ]);
  return { loss, correct: correctRows(logits, labels) };
}

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
  const { losses, gradient } =
    smoothing === 0 ? crossEntropy(logits, labels) : smoothedCrossEntropy(logits, labels, smoothing);
  // One gradient for the whole, since tfjs's own for a sum and a quotient take five operations more.
  const loss = withGradient(
    tf.div(tf.sum(losses), globalCount) as Scalar,
    [logits],
    [gradient],
    (dy, gradient) => [tf.mul(gradient!, tf.div(dy, globalCount))],
  );
  return { loss, correct: tf.sum(correctRows(logits, labels)) };
}

function crossEntropy(logits: Tensor2D, labels: Tensor1D) {
  // The second output is softmax(logits) − onehot(labels).
  const [losses, gradient] = rawOutputs(
    'SparseSoftmaxCrossEntropyWithLogits',
    [logits, labels],
    attributes,
    2,
  );
  return { losses: losses as Tensor1D, gradient: gradient as Tensor2D };
}

function smoothedCrossEntropy(logits: Tensor2D, labels: Tensor1D, smoothing: number) {
  const classes = logits.shape[1];
  const even = smoothing / classes;
  const targets = tf.oneHot(labels, classes, 1 - smoothing + even, even, 'float32');
  // The second output is softmax(logits) − targets, since the targets of a row add up to 1.
  const [losses, gradient] = rawOutputs('SoftmaxCrossEntropyWithLogits', [logits, targets], ofFloats, 2);
  return { losses: losses as Tensor1D, gradient: gradient as Tensor2D };
}

function correctRows(logits: Tensor2D, labels: Tensor1D): Tensor1D {
  return tf.cast(tf.equal(tf.argMax(logits, 1), labels), 'float32');
}
