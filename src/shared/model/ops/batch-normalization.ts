/** BatchNorm over N, H and W by fused operations, TensorFlow's or our own, in training and in inference mode. */
import type { Tensor, Tensor1D, Tensor4D } from '@tensorflow/tfjs-node-gpu';
import { tfType } from '../../engine/dtype.js';
import type { Attributes } from '../../engine/graph.js';
import { tf } from '../../engine/tensorflow.js';
import { product } from './dense.js';
import { fusedBatchNorm } from './fused-batch-norm.js';
import { rawOutputs, withGradient } from './raw.js';
import { type Activation, activated } from './relu.js';

export interface Normalized {
  /** Same shape as the input: gamma · (x − mean) / √(variance + epsilon) + beta, and what follows. */
  readonly y: Tensor4D;
  /** [C]. No gradient flows through it. */
  readonly mean: Tensor1D;
  /** [C], with Bessel's correction (divided by N·H·W − 1); `y` is normalised by the one without. */
  readonly variance: Tensor1D;
}

/** How it is computed: by TensorFlow's fused operations, unless something else is said. */
export interface BatchNormWays {
  /** In training, each micro-batch by its own statistics, by an operation of our own. */
  readonly fused?: boolean;
  /**
   * By statistics that are given, or the global batch's: from so many channels on each pass over x forward is an operation
   * of its own. See docs/design.md.
   */
  readonly passesFrom?: number;
  /**
   * Where statistics are given. `sums`: by sums over products; TensorFlow's operation adds in any order on GPUs, and so is
   * refused there (TF_DETERMINISTIC_OPS).
   */
  readonly frozenGradient?: 'fused' | 'sums';
}

/** Normalises x [B,H,W,C] by the statistics of this batch; gamma and beta are [C]. */
export function batchNormalization(
  x: Tensor4D,
  gamma: Tensor1D,
  beta: Tensor1D,
  epsilon: number,
  ways?: BatchNormWays,
  after: Activation = { relu: false },
): Normalized {
  if (ways?.fused) {
    const { variance, ...fused } = fusedBatchNorm(x, gamma, beta, epsilon, after);
    return { ...fused, variance: unbiased(variance, x) };
  }
  const { y, mean, variance, reserves } = fusedForward(x, gamma, beta, epsilon);
  const differentiated = withGradient(
    y,
    [x, gamma, beta],
    [x, gamma, ...reserves],
    (dy, x, gamma, ...reserves) =>
      rawOutputs('FusedBatchNormGradV3', [dy, x!, gamma!, ...reserves], attributesOf(epsilon, true), 5).slice(
        0,
        3,
      ),
  );
  return { y: activated(differentiated, after), mean, variance };
}

/** A variance divided by the count, with Bessel's correction. */
function unbiased(variance: Tensor1D, { shape: [batch, height, width] }: Tensor4D): Tensor1D {
  const count = batch * height * width;
  return tf.mul(variance, count / Math.max(count - 1, 1));
}

function inPasses(x: Tensor4D, { passesFrom = Number.POSITIVE_INFINITY }: BatchNormWays = {}): boolean {
  return x.shape[3] >= passesFrom;
}

interface Forward extends Normalized {
  /** What the gradient's operation wants to be given. */
  readonly reserves: readonly Tensor[];
}

function fusedForward(x: Tensor4D, gamma: Tensor1D, beta: Tensor1D, epsilon: number): Forward {
  const none = tf.tensor1d([], 'float32');
  const [y, mean, variance, ...reserves] = rawOutputs(
    'FusedBatchNormV3',
    [x, gamma, beta, none, none],
    attributesOf(epsilon, true),
    6,
  );
  return { y: y as Tensor4D, mean: mean as Tensor1D, variance: variance as Tensor1D, reserves };
}

/** Means and variances [C] of x [B,H,W,C], the latter divided by the count. */
function momentsOf(x: Tensor4D) {
  const [batch, height, width, channels] = x.shape;
  const count = batch * height * width;
  // A product of matrices is the fastest way to a sum of rows.
  const share = tf.fill([1, count], 1 / count);
  const rows = tf.reshape(x, [count, channels]);
  const mean = product(share, rows);
  const variance = product(share, tf.squaredDifference(rows, mean));
  return { mean: tf.reshape(mean, [channels]), variance: tf.reshape(variance, [channels]) } as {
    readonly mean: Tensor1D;
    readonly variance: Tensor1D;
  };
}

/** `normalizedBy` as x·factor + (beta − mean·factor), in two passes. */
function scaled(
  x: Tensor4D,
  gamma: Tensor,
  beta: Tensor,
  mean: Tensor,
  variance: Tensor,
  epsilon: number,
): Tensor4D {
  const factor = tf.mul(gamma, tf.rsqrt(tf.add(variance, epsilon)));
  return tf.add(tf.mul(x, factor), tf.sub(beta, tf.mul(mean, factor)));
}

/** Normalises x [B,H,W,C] by given statistics [C], which are constants for the gradient. */
export function frozenBatchNormalization(
  x: Tensor4D,
  gamma: Tensor1D,
  beta: Tensor1D,
  mean: Tensor1D,
  variance: Tensor1D,
  epsilon: number,
  ways?: BatchNormWays,
): Tensor4D {
  const y = normalizedBy(x, gamma, beta, mean, variance, epsilon, ways);
  return withGradient(y, [x, gamma, beta], [x, gamma, mean, variance], (dy, ...kept) =>
    frozenGradient(dy, kept, epsilon, ways),
  );
}

function normalizedBy(
  x: Tensor4D,
  gamma: Tensor,
  beta: Tensor,
  mean: Tensor,
  variance: Tensor,
  epsilon: number,
  ways?: BatchNormWays,
): Tensor4D {
  if (inPasses(x, ways)) return scaled(x, gamma, beta, mean, variance, epsilon);
  const inputs = [x, gamma, beta, mean, variance];
  return rawOutputs('FusedBatchNormV3', inputs, attributesOf(epsilon, false), 6)[0] as Tensor4D;
}

/** What the micro-batches of one global batch tell each other. A value and its answer are float32 [2·C]. */
export interface GlobalBatch {
  /** K, all of the same size. */
  readonly microBatches: number;
  /** A micro-batch's C means and C variances (divided by the count), for those of the global batch. */
  moments(local: Tensor1D): Tensor1D;
  /** Sums over a micro-batch, for those over the global batch. */
  sums(local: Tensor1D): Tensor1D;
}

/**
 * Normalises a micro-batch x [B,H,W,C] by the statistics of the global batch that it is a part of (synchronised
 * BatchNorm), and differentiates through them: what x does to the other micro-batches' outputs comes back as sums. The
 * gradients of gamma and beta are this micro-batch's share. `mean` and `variance` are the global batch's.
 *
 * With n values a channel in the global batch, x̂ = (x − mean)/σ and dx = gamma/σ · (dy − Σdy/n − x̂·Σ(dy·x̂)/n), the
 * sums over the global batch (Ioffe and Szegedy 2015, section 3).
 */
export function globalBatchNormalization(
  x: Tensor4D,
  gamma: Tensor1D,
  beta: Tensor1D,
  epsilon: number,
  global: GlobalBatch,
  ways?: BatchNormWays,
): Normalized {
  const [batch, height, width] = x.shape;
  const count = batch * height * width * global.microBatches;
  const moments = global.moments(localMoments(x, epsilon, ways));
  const [mean, variance] = tf.split(moments, 2) as [Tensor1D, Tensor1D];
  const y = normalizedBy(x, gamma, beta, mean, variance, epsilon, ways);
  const kept = [x, gamma, mean, variance];
  return {
    y: withGradient(y, [x, gamma, beta], kept, (dy, ...kept) => {
      const [x, gamma, mean, variance] = kept as [Tensor4D, Tensor1D, Tensor1D, Tensor1D];
      const [direct, dGamma, dBeta] = frozenGradient(dy, kept, epsilon, ways) as [
        Tensor4D,
        Tensor1D,
        Tensor1D,
      ];
      const [sumGamma, sumBeta] = tf.split(global.sums(tf.concat([dGamma, dBeta])), 2);
      const factor = tf.mul(gamma, tf.div(tf.rsqrt(tf.add(variance, epsilon)), -count));
      // −gamma/(σ·n) · (Σdy + x̂·Σ(dy·x̂)) is itself a normalisation of x by the same statistics: one pass over x.
      const slope = [tf.mul(factor, sumGamma!), tf.mul(factor, sumBeta!)] as const;
      const through = normalizedBy(x, ...slope, mean, variance, epsilon, ways);
      return [tf.add(direct, through), dGamma, dBeta];
    }),
    mean,
    variance: tf.mul(variance, count / Math.max(count - 1, 1)),
  };
}

/** A micro-batch's C means and C variances (divided by the count). */
function localMoments(x: Tensor4D, epsilon: number, ways?: BatchNormWays): Tensor1D {
  if (inPasses(x, ways)) {
    const { mean, variance } = momentsOf(x);
    return tf.concat([mean, variance]);
  }
  const [batch, height, width, channels] = x.shape;
  const count = batch * height * width;
  // Its normalised output is thrown away: it is still the fastest way to both statistics, in half the time of means.
  const { mean, variance } = fusedForward(x, tf.ones([channels]), tf.zeros([channels]), epsilon);
  return tf.concat([mean, tf.mul(variance, (count - 1) / count)]);
}

/** [dx, dgamma, dbeta] where mean and variance are constants; `kept` is x, gamma, mean and variance. */
function frozenGradient(
  dy: Tensor,
  kept: readonly Tensor[],
  epsilon: number,
  { frozenGradient: way = 'fused' }: BatchNormWays = {},
): Tensor[] {
  const [x, gamma, mean, variance] = kept as [Tensor4D, Tensor1D, Tensor1D, Tensor1D];
  if (way === 'fused') {
    // What the forward operation keeps for it is for cuDNN.
    const inputs = [dy, x, gamma, mean, variance, tf.tensor1d([], 'float32')];
    return rawOutputs('FusedBatchNormGradV3', inputs, attributesOf(epsilon, false), 5).slice(0, 3);
  }
  const inverse = tf.rsqrt(tf.add(variance, epsilon));
  const normalized = tf.mul(tf.sub(x, mean), inverse);
  const places = [0, 1, 2];
  return [tf.mul(dy, tf.mul(gamma, inverse)), tf.sum(tf.mul(dy, normalized), places), tf.sum(dy, places)];
}

function attributesOf(epsilon: number, training: boolean): Attributes {
  return {
    T: { kind: 'type', value: tfType.float32 },
    U: { kind: 'type', value: tfType.float32 },
    epsilon: { kind: 'float', value: epsilon },
    is_training: { kind: 'bool', value: training },
  };
}
