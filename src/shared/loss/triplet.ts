/**
 * The triplet loss with batch-hard mining (Hermans, Beyer and Leibe 2017, equation 5) over a whole global batch, on rows of
 * length 1: with p the farthest other row of i's class, n the nearest row of another class and d the Euclidean distance,
 * ℓ_i = max(0, margin + d(i,p) − d(i,n)), or 0 where there is no p or no n. L = mean ℓ_i over all B rows.
 */
import type { Scalar, Tensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs-node-gpu';
import { tfType } from '../engine/dtype.js';
import type { Attributes } from '../engine/graph.js';
import { tf } from '../engine/tensorflow.js';
import { product } from '../model/ops/dense.js';
import { raw } from '../model/ops/raw.js';
import { alike, similarities, withDiagonal } from './similarity.js';

/** Wider than all cosines are apart: with it added, what is not to be mined never wins. */
const outOfReach = 4;

/**
 * L and its gradient; who is mined is taken as fixed, as everywhere. Two rows in the same place have no direction from one
 * to the other, which counts as 0.
 *
 * @param V rows of length 1, [B,d]
 * @param labels int32 [B]
 * @param margin by how much p is to be nearer than n; distances are 0 to 2
 * @returns `loss` L; `dV` [B,d]
 */
export function tripletGradient(
  V: Tensor2D,
  labels: Tensor1D,
  margin: number,
): { readonly loss: Scalar; readonly dV: Tensor2D } {
  const count = V.shape[0];
  const same = alike(labels);
  const positives = withDiagonal(same, 0);
  const negatives = tf.sub(1, same);
  // The farther apart rows of length 1 are, the smaller is their cosine.
  const cosines = similarities(V, 1);
  const p = tf.argMin(tf.add(cosines, tf.mul(outOfReach, tf.sub(1, positives))), 1) as Tensor1D;
  const n = tf.argMax(tf.sub(cosines, tf.mul(outOfReach, same)), 1) as Tensor1D;
  const toPositive = away(V, p);
  const toNegative = away(V, n);
  const violation = tf.add(tf.sub(toPositive.distance, toNegative.distance), margin);
  const complete = tf.mul(tf.max(positives, 1, true), tf.max(negatives, 1, true));
  const active = tf.mul(complete, tf.cast(tf.greater(violation, 0), 'float32'));
  const loss = tf.mean(tf.mul(active, violation)) as Scalar;
  const pulled = tf.mul(toPositive.direction, active);
  const pushed = tf.mul(toNegative.direction, active);
  // Products and no scattered sums, whose order of additions is not fixed on a GPU.
  const back = tf.sub(sumsOf(pushed, n, count), sumsOf(pulled, p, count));
  const dV = tf.div(tf.add(tf.sub(pulled, pushed), back), count) as Tensor2D;
  return { loss, dV };
}

/** tfjs's gather reads the positions, which a trace does not have yet. */
const gathering: Attributes = {
  Tparams: { kind: 'type', value: tfType.float32 },
  Tindices: { kind: 'type', value: tfType.int32 },
  Taxis: { kind: 'type', value: tfType.int32 },
};

/** How far each row is from the row it is given, [B,1], and the direction from there to it, [B,d]. */
function away(V: Tensor2D, others: Tensor1D): { readonly distance: Tensor; readonly direction: Tensor } {
  const difference = tf.sub(V, raw('GatherV2', [V, others, tf.scalar(0, 'int32')], gathering));
  const distance = tf.sqrt(tf.sum(tf.square(difference), 1, true));
  return { distance, direction: tf.divNoNan(difference, distance) };
}

/** For each of `count` rows the sum of those values [B,d] that belong to it. */
function sumsOf(values: Tensor, owners: Tensor1D, count: number): Tensor2D {
  const belongs = tf.oneHot(owners, count, 1, 0, 'float32');
  return product(belongs, values, { transpose_a: { kind: 'bool', value: true } });
}
