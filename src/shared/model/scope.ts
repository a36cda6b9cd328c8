/** What a model sees while it runs. */
import type { Tensor } from '@tensorflow/tfjs-node-gpu';
import type { BatchNormWays, GlobalBatch } from './ops/batch-normalization.js';
import type { ConvolutionWays } from './ops/convolution.js';

/** Where a model finds its tensors while it runs. */
export interface Scope {
  /** BatchNorm by the statistics of the batch, which it then observes. */
  readonly training: boolean;
  /** In training, where BatchNorm's statistics are those of the global batch; without it, each micro-batch's own. */
  readonly global?: ((layer: string) => GlobalBatch) | undefined;
  /** int32 [2], another one for every step and micro-batch; models that drop out need it in training. */
  readonly dropoutSeed?: Tensor;
  /** How convolutions are computed, if not by one operation each. */
  readonly convolution?: ConvolutionWays | undefined;
  /** How BatchNorm is computed, if not by TensorFlow's fused operations. */
  readonly batchNorm?: BatchNormWays | undefined;
  parameter(name: string): Tensor;
  statistic(name: string): Tensor;
  /**
   * Called in training, once for each statistic, with what the batch gives; variances have Bessel's correction. Under
   * tfjs's gradient functions a scope must tf.keep the tensor: they dispose of all but their results.
   */
  observe(name: string, batchStatistic: Tensor): void;
}
