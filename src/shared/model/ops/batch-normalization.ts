/** BatchNorm over N, H and W by TensorFlow's fused operations, in training and in inference mode. */
import type { Tensor, Tensor1D, Tensor4D } from '@tensorflow/tfjs-node-gpu';
import { tfType } from '../../engine/dtype.js';
import type { Attributes } from '../../engine/graph.js';
import { tf } from '../../engine/tensorflow.js';
import { rawOutputs, withGradient } from './raw.js';

export interface Normalized {
  /** Same shape as the input: gamma · (x − mean) / √(variance + epsilon) + beta. */
  readonly y: Tensor4D;
  /** [C]. No gradient flows through it. */
  readonly mean: Tensor1D;
  /** [C], with Bessel's correction (divided by N·H·W − 1); `y` is normalised by the one without. */
  readonly variance: Tensor1D;
}

/** Normalises x [B,H,W,C] by the statistics of this batch; gamma and beta are [C]. */
export function batchNormalization(
  x: Tensor4D,
  gamma: Tensor1D,
  beta: Tensor1D,
  epsilon: number,
): Normalized {
  const attributes = attributesOf(epsilon, true);
  const none = tf.tensor1d([], 'float32');
  const [y, mean, variance, ...reserves] = rawOutputs(
    'FusedBatchNormV3',
    [x, gamma, beta, none, none],
    attributes,
    6,
  );
  return {
    y: withGradient(y as Tensor4D, [x, gamma, beta], [x, gamma, ...reserves], (dy, x, gamma, ...reserves) =>
      rawOutputs('FusedBatchNormGradV3', [dy, x!, gamma!, ...reserves], attributes, 5).slice(0, 3),
    ),
    mean: mean as Tensor1D,
    variance: variance as Tensor1D,
  };
}

/** Normalises x [B,H,W,C] by given statistics [C], which are constants for the gradient. */
export function frozenBatchNormalization(
  x: Tensor4D,
  gamma: Tensor1D,
  beta: Tensor1D,
  mean: Tensor1D,
  variance: Tensor1D,
  epsilon: number,
): Tensor4D {
  const [y, , , , , reserve] = rawOutputs(
    'FusedBatchNormV3',
    [x, gamma, beta, mean, variance],
    attributesOf(epsilon, false),
    6,
  );
  const kept = [x, gamma, mean, variance, reserve!];
  return withGradient(y as Tensor4D, [x, gamma, beta], kept, (dy, ...kept) =>
    frozenGradient(dy, kept, epsilon),
  );
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
): Normalized {
  const [batch, height, width, channels] = x.shape;
  const local = batch * height * width;
  const count = local * global.microBatches;
  // Its normalised output is thrown away: it is still the fastest way to both statistics, in half the time of means.
  const none = tf.tensor1d([], 'float32');
  const [, localMean, localVariance] = rawOutputs(
    'FusedBatchNormV3',
    [x, tf.ones([channels]), tf.zeros([channels]), none, none],
    attributesOf(epsilon, true),
    6,
  );
  const biased = tf.mul(localVariance!, (local - 1) / local);
  const moments = global.moments(tf.concat([localMean as Tensor1D, biased as Tensor1D]));
  const [mean, variance] = tf.split(moments, 2) as [Tensor1D, Tensor1D];
  const [y, , , , , reserve] = rawOutputs(
    'FusedBatchNormV3',
    [x, gamma, beta, mean, variance],
    attributesOf(epsilon, false),
    6,
  );
  const kept = [x, gamma, mean, variance, reserve!];
  return {
    y: withGradient(y as Tensor4D, [x, gamma, beta], kept, (dy, ...kept) => {
      const [x, gamma, mean, variance] = kept as [Tensor4D, Tensor1D, Tensor1D, Tensor1D];
      const [direct, dGamma, dBeta] = frozenGradient(dy, kept, epsilon) as [Tensor4D, Tensor1D, Tensor1D];
      const [sumGamma, sumBeta] = tf.split(global.sums(tf.concat([dGamma, dBeta])), 2);
      const factor = tf.mul(gamma, tf.div(tf.rsqrt(tf.add(variance, epsilon)), -count));
      // −gamma/(σ·n) · (Σdy + x̂·Σ(dy·x̂)) is itself a normalisation of x by the same statistics: one pass over x.
      const [through] = rawOutputs(
        'FusedBatchNormV3',
        [x, tf.mul(factor, sumGamma!), tf.mul(factor, sumBeta!), mean, variance],
        attributesOf(epsilon, false),
        6,
      );
      return [tf.add(direct, through!), dGamma, dBeta];
    }),
    mean,
    variance: tf.mul(variance, count / Math.max(count - 1, 1)),
  };
}

/** [dx, dgamma, dbeta] where mean and variance are constants; `kept` is x, gamma, mean, variance and the forward pass's reserve. */
function frozenGradient(dy: Tensor, kept: readonly Tensor[], epsilon: number): Tensor[] {
  return rawOutputs('FusedBatchNormGradV3', [dy, ...kept], attributesOf(epsilon, false), 5).slice(0, 3);
}

function attributesOf(epsilon: number, training: boolean): Attributes {
  return {
    T: { kind: 'type', value: tfType.float32 },
    U: { kind: 'type', value: tfType.float32 },
    epsilon: { kind: 'float', value: epsilon },
    is_training: { kind: 'bool', value: training },
  };
}
