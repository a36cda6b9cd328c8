/** What the contrastive losses have in common: every row of the global batch compared with every other. */
import type { Tensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs-node-gpu';
import { tf } from '../engine/tensorflow.js';
import { product } from '../model/ops/dense.js';
import { raw } from '../model/ops/raw.js';

/** S = V·Vᵀ/T [B,B]: cosines over the temperature, for rows V [B,d] of length 1. */
export function similarities(V: Tensor2D, temperature: number): Tensor2D {
  return tf.div(product(V, V, { transpose_b: { kind: 'bool', value: true } }), temperature);
}

/**
 * dL/dV [B,d] of a mean over rows L = (1/B)·Σ ℓ_i, from D_ij = ∂ℓ_i/∂S_ij: (D + Dᵀ)·V/(B·T). Every row of V is in S as
 * a row and as a column; without the term of the columns a row would miss what it does to the others' ℓ.
 */
export function throughSimilarities(D: Tensor, V: Tensor2D, temperature: number): Tensor2D {
  const rows = product(D, V);
  const columns = product(D, V, { transpose_a: { kind: 'bool', value: true } });
  return tf.div(tf.add(rows, columns), V.shape[0] * temperature);
}

/** 1 where two rows have the same label, a row and itself included; float32 [B,B]. */
export function alike(labels: Tensor1D): Tensor2D {
  return tf.cast(tf.equal(tf.expandDims(labels, 1), tf.expandDims(labels, 0)), 'float32');
}

/** The matrix [B,B] with this value wherever a row meets itself. */
export function withDiagonal(matrix: Tensor2D, value: number): Tensor2D {
  return raw('MatrixSetDiag', [matrix, tf.fill([matrix.shape[0]], value)]);
}
