/**
 * The n-pairs loss over a whole global batch, as tfa.losses.npairs_loss computes it (TensorFlow Addons,
 * tensorflow_addons/losses/npairs.py) on S = V·Vᵀ/T: with Y_ij = (y_i = y_j)/n_i and n_i the number of rows of i's
 * class, i itself included, ℓ_i = ln Σ_j exp S_ij − Σ_j Y_ij·S_ij and L = mean ℓ_i.
 */
import type { Scalar, Tensor1D, Tensor2D } from '@tensorflow/tfjs-node-gpu';
import { tf } from '../engine/tensorflow.js';
import { crossEntropy } from './cross-entropy.js';
import { alike, similarities, throughSimilarities } from './similarity.js';

/** L by its definition, differentiable by tfjs: what `npairsGradient` is held against. Arguments as there. */
export function npairs(V: Tensor2D, labels: Tensor1D, temperature: number): Scalar {
  const S = tf.div(tf.matMul(V, V, false, true), temperature);
  const pulled = tf.sum(tf.mul(targets(labels).Y, S), 1);
  return tf.mean(tf.sub(tf.logSumExp(S, 1), pulled));
}

/**
 * L and its exact gradient: with P the row-wise softmax of S and G = (P − Y)/(B·T), dL/dV = (G + Gᵀ)·V.
 *
 * @param V rows of length 1, [B,d]
 * @param labels int32 [B]
 * @returns `loss` L in nats; `excess` = L − mean ln n_i, which is ≥ 0 and comparable across batch sizes; `dV` [B,d]
 */
export function npairsGradient(
  V: Tensor2D,
  labels: Tensor1D,
  temperature: number,
): { readonly loss: Scalar; readonly excess: Scalar; readonly dV: Tensor2D } {
  const S = similarities(V, temperature);
  const { Y, counts } = targets(labels);
  const { losses, gradient } = crossEntropy(S, Y);
  const loss = tf.mean(losses) as Scalar;
  const excess = tf.sub(loss, tf.mean(tf.log(counts))) as Scalar;
  // P − Y
  return { loss, excess, dV: throughSimilarities(gradient, V, temperature) };
}

/** Y [B,B] and the class counts n_i [B,1]. */
function targets(labels: Tensor1D): { readonly Y: Tensor2D; readonly counts: Tensor2D } {
  const same = alike(labels);
  const counts = tf.sum(same, 1, true) as Tensor2D;
  return { Y: tf.div(same, counts) as Tensor2D, counts };
}
