/**
 * The supervised contrastive loss over a whole global batch (Khosla et al. 2020, equation 2, the sum outside of the log),
 * as the authors' code computes it but for two things (HobbitLong/SupContrast, losses.py): it multiplies by
 * temperature/0.07, which belongs into the learning rate here; and a row without positives is 0 here and NaN there.
 * On S = V·Vᵀ/T, with P_i the other rows of i's class: ℓ_i = ln Σ_{a≠i} exp S_ia − (1/|P_i|)·Σ_{p∈P_i} S_ip, or 0 if P_i
 * is empty; L = mean ℓ_i over all B rows, those without positives included.
 */
import type { Scalar, Tensor1D, Tensor2D } from '@tensorflow/tfjs-node-gpu';
import { tf } from '../engine/tensorflow.js';
import { crossEntropy } from './cross-entropy.js';
import { alike, similarities, throughSimilarities, withDiagonal } from './similarity.js';

/** What a row's similarity to itself becomes: exp of it is 0, as of −∞, but its product with 0 is 0. */
const masked = -1e30;

/**
 * L and its exact gradient: with P the softmax of S over a ≠ i, Y_ip = 1/|P_i| for positives and G = (P − Y)/(B·T), where
 * rows without positives are 0, dL/dV = (G + Gᵀ)·V.
 *
 * @param V rows of length 1, [B,d]; two views of an image are two rows with the same label
 * @param labels int32 [B]
 * @returns `loss` L in nats; `excess` = L − mean ln |P_i|, which is ≥ 0 (ℓ_i less ln |P_i| is how far the softmax of row i
 * is from an even choice among its positives, a Kullback–Leibler divergence) and comparable across batch sizes; `dV` [B,d]
 */
export function supconGradient(
  V: Tensor2D,
  labels: Tensor1D,
  temperature: number,
): { readonly loss: Scalar; readonly excess: Scalar; readonly dV: Tensor2D } {
  const positives = withDiagonal(alike(labels), 0);
  const found = tf.sum(positives, 1, true);
  const counts = tf.maximum(found, 1);
  const S = withDiagonal(similarities(V, temperature), masked);
  // Of a row without positives the loss comes out as 0, since its Y is 0. The gradient is P − Y.
  const { losses, gradient } = crossEntropy(S, tf.div(positives, counts));
  const D = tf.mul(gradient, tf.cast(tf.greater(found, 0), 'float32')) as Tensor2D;
  const loss = tf.mean(losses) as Scalar;
  const excess = tf.sub(loss, tf.mean(tf.log(counts))) as Scalar;
  return { loss, excess, dV: throughSimilarities(D, V, temperature) };
}
