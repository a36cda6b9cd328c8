/** The losses of a global batch by their definitions, for tfjs to differentiate: what whole steps are held against. */
import type { Scalar, Tensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs-node-gpu';
import type { ContrastiveStage, SoftmaxStage } from '../src/shared/config/schema.js';
import { tf } from '../src/shared/engine/tensorflow.js';
import { npairs } from '../src/shared/loss/npairs.js';

/** Cross-entropy to targets of which `labelSmoothing` goes to all classes alike. */
export function softmaxLoss({ labelSmoothing }: SoftmaxStage, logits: Tensor2D, labels: Tensor1D): Scalar {
  const right = tf.oneHot(labels, logits.shape[1]);
  const targets = tf.add(tf.mul(right, 1 - labelSmoothing), labelSmoothing / logits.shape[1]);
  return tf.neg(tf.mean(tf.sum(tf.mul(targets, tf.logSoftmax(logits)), 1)));
}

/**
 * @param V rows of length 1, [B,d]
 * @param labels int32 [B]
 * @param images int32 [B], which image a row is a view of
 */
export function contrastiveLoss(
  stage: ContrastiveStage,
  V: Tensor2D,
  labels: Tensor1D,
  images: Tensor1D,
): Scalar {
  switch (stage.objective) {
    case 'npairs':
      return npairs(V, labels, stage.temperature);
    case 'supcon':
      return supcon(V, labels, stage.temperature);
    case 'ntxent':
      return supcon(V, images, stage.temperature);
    case 'triplet':
      return triplet(V, labels, stage.margin);
  }
}

/** Rows without positives count, with a loss of 0. */
function supcon(V: Tensor2D, groups: Tensor1D, temperature: number): Scalar {
  const { positives, self } = masks(groups);
  const scores = tf.div(tf.matMul(V, V, false, true), temperature);
  const denominators = tf.log(tf.sum(tf.mul(tf.exp(scores), tf.sub(1, self)), 1, true));
  const logs = tf.sum(tf.mul(positives, tf.sub(scores, denominators)), 1);
  return tf.neg(tf.mean(tf.div(logs, tf.maximum(tf.sum(positives, 1), 1))));
}

function triplet(V: Tensor2D, labels: Tensor1D, margin: number): Scalar {
  const { positives, negatives, self } = masks(labels);
  const squares = tf.sum(tf.square(tf.sub(tf.expandDims(V, 1), tf.expandDims(V, 0))), 2);
  // The root has no gradient at 0: a row's distance to itself is 1 here, and masked below.
  const distances = tf.sqrt(tf.add(squares, self));
  const farthest = tf.max(tf.mul(distances, positives), 1);
  const nearest = tf.min(tf.add(distances, tf.mul(100, tf.sub(1, negatives))), 1);
  const violations = tf.relu(tf.add(tf.sub(farthest, nearest), margin));
  const complete = tf.mul(tf.max(positives, 1), tf.max(negatives, 1));
  return tf.mean(tf.mul(violations, complete));
}

/** 1 or 0 for each pair, [B,B]. */
function masks(groups: Tensor1D): {
  readonly positives: Tensor;
  readonly negatives: Tensor;
  readonly self: Tensor;
} {
  const same = tf.cast(tf.equal(tf.expandDims(groups, 1), tf.expandDims(groups, 0)), 'float32');
  const self = tf.eye(groups.shape[0]);
  return { positives: tf.sub(same, self), negatives: tf.sub(1, same), self };
}
