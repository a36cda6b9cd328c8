/** BatchNorm over N, H and W by TensorFlow's fused operations, in training and in inference mode. */
import type { Tensor1D, Tensor4D } from '@tensorflow/tfjs-node-gpu';
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
  const attributes = attributesOf(epsilon, false);
  const [y, , , , , reserve] = rawOutputs(
    'FusedBatchNormV3',
    [x, gamma, beta, mean, variance],
    attributes,
    6,
  );
  const kept = [x, gamma, mean, variance, reserve!];
  return withGradient(y as Tensor4D, [x, gamma, beta], kept, (dy, ...kept) =>
    rawOutputs('FusedBatchNormGradV3', [dy, ...kept], attributes, 5).slice(0, 3),
  );
}

function attributesOf(epsilon: number, training: boolean): Attributes {
  return {
    T: { kind: 'type', value: tfType.float32 },
    U: { kind: 'type', value: tfType.float32 },
    epsilon: { kind: 'float', value: epsilon },
    is_training: { kind: 'bool', value: training },
  };
}
