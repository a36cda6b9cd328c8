/**
 * NT-Xent, the loss of SimCLR (Chen et al. 2020, equation 1), over a whole global batch: the only positive of a row is the
 * other view of its image. That is SupCon with every image a class of its own. ℓ_i = −ln (exp S_ij / Σ_{a≠i} exp S_ia) with
 * S = V·Vᵀ/T and j the other view; L = mean ℓ_i over the rows of both views. Its floor is 0, and it grows with the number of
 * negatives, so there is no part of it to compare across batch sizes.
 */
import type { Scalar, Tensor1D, Tensor2D } from '@tensorflow/tfjs-node-gpu';
import { supconGradient } from './supcon.js';

/**
 * L and its exact gradient.
 * @param V rows of length 1, [B,d]
 * @param images int32 [B], which image a row is a view of; each is there twice
 * @returns `loss` L in nats; `dV` [B,d]
 */
export function ntxentGradient(
  V: Tensor2D,
  images: Tensor1D,
  temperature: number,
): { readonly loss: Scalar; readonly dV: Tensor2D } {
  const { loss, dV } = supconGradient(V, images, temperature);
  return { loss, dV };
}
