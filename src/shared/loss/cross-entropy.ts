/** Cross-entropy of logits to given targets, with its gradient. */
import type { Tensor1D, Tensor2D } from '@tensorflow/tfjs-node-gpu';
import { tf } from '../engine/tensorflow.js';
import { raw } from '../model/ops/raw.js';

/**
 * Per row −Σ target·ln softmax(logits) in nats [n], and its gradient softmax(logits) − target [n,c], which is right for
 * targets that add up to 1. TensorFlow has both in one operation, which is refused on GPUs since it adds in any order
 * there (TF_DETERMINISTIC_OPS); logits are few, so the passes more cost nothing that could be measured.
 * @param logits [n,c]
 * @param targets [n,c]
 */
export function crossEntropy(
  logits: Tensor2D,
  targets: Tensor2D,
): { readonly losses: Tensor1D; readonly gradient: Tensor2D } {
  const logarithms = raw<Tensor2D>('LogSoftmax', [logits]);
  return {
    // Not negated: that of targets of zeros would be −0.
    losses: tf.sub(0, tf.sum(tf.mul(targets, logarithms), 1)),
    gradient: tf.sub(tf.exp(logarithms), targets),
  };
}
