/** What a model is: specifications of its tensors, and pure functions from images to features, rows and logits. */
import type { Tensor, Tensor2D, Tensor4D } from '@tensorflow/tfjs-node-gpu';
import type { ModelConfig } from '../config/schema.js';
import { LockstepError } from '../errors.js';
import { airbench } from './airbench.js';
import type { Encoder } from './encoder.js';
import { classifierHead, projectionHead } from './heads.js';
import { tensorsOf } from './layers.js';
import type { BatchNormWays, GlobalBatch } from './ops/batch-normalization.js';
import type { ConvolutionWays } from './ops/convolution.js';
import { resnet } from './resnet.js';
import { resnet50v2 } from './resnet-v2.js';
import { tiny } from './tiny.js';

export type Group = 'encoder' | 'projection' | 'classifier';

/** How a parameter gets its first values: see initialize.ts. */
export type Initializer =
  | { readonly kind: 'zeros' | 'ones' | 'identity' }
  | { readonly kind: 'heNormal'; readonly fan: number }
  | { readonly kind: 'glorotUniform'; readonly fanIn: number; readonly fanOut: number };

export interface ParameterSpec {
  /** torchvision's path after the group, for example `encoder.layer1.0.conv1.kernel`. */
  readonly name: string;
  /** Kernels are [height,width,in,out] and [in,out]. */
  readonly shape: readonly number[];
  readonly group: Group;
  /** Whether weight decay applies: not to BatchNorm and biases. */
  readonly decay: boolean;
  readonly init: Initializer;
}

/** A running mean or variance of BatchNorm, [channels]. */
export interface StatisticSpec {
  readonly name: string;
  readonly shape: readonly number[];
  readonly group: Group;
  readonly init: 0 | 1;
}

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

export const classes = 10;
export const imageShape = [32, 32, 3] as const;

export interface Model {
  /** In the order in which forward uses them. */
  readonly parameters: readonly ParameterSpec[];
  readonly statistics: readonly StatisticSpec[];
  readonly encoder: Encoder;
  /** Columns of what `encode` returns. */
  readonly featureWidth: number;
  /** Columns of what `project` returns; 0 without a projection head. */
  readonly embeddingWidth: number;
  /** Normalised images [n,h,w,3] to features [n,f]. */
  encode(scope: Scope, images: Tensor4D): Tensor2D;
  /** Features to embeddings [n,d], not yet of length 1. @throws LockstepError CONFIG without a projection head. */
  project(scope: Scope, features: Tensor2D): Tensor2D;
  /** Features to logits [n,10]. @throws LockstepError CONFIG without a classifier head. */
  classify(scope: Scope, features: Tensor2D): Tensor2D;
}

/**
 * The model that a config describes.
 * @throws LockstepError CONFIG when the encoder does not have this stem, or no widths.
 */
export function buildModel(config: ModelConfig): Model {
  const encoder = buildEncoder(config);
  const projection = config.projection && projectionHead(encoder.width, config.projection);
  const classifier = config.classifier && classifierHead(encoder.width, classes, config.classifier);
  const parts = [encoder, ...(projection ? [projection] : []), ...(classifier ? [classifier] : [])];
  return {
    ...tensorsOf(parts),
    encoder,
    featureWidth: encoder.width,
    embeddingWidth: config.projection?.widths.at(-1) ?? 0,
    encode: (scope, images) => encoder.rest(scope, images, 0),
    project: projection?.apply ?? missing('projection'),
    classify: classifier?.apply ?? missing('classifier'),
  };
}

function buildEncoder({ encoder, stem, widths, batchNorm: { epsilon, zeroInit } }: ModelConfig): Encoder {
  switch (encoder) {
    case 'resnet50':
      return resnet({
        block: 'bottleneck',
        stages: [3, 4, 6, 3],
        stem,
        epsilon,
        zeroInit,
        source: 'torchvision',
      });
    case 'resnet18':
      return resnet({ block: 'basic', stages: [2, 2, 2, 2], stem, epsilon, zeroInit, source: 'torchvision' });
    case 'resnet50-keras':
      return resnet({ block: 'bottleneck', stages: [3, 4, 6, 3], stem, epsilon, zeroInit, source: 'keras' });
    case 'resnet50v2':
      return resnet50v2({ stem, epsilon });
    case 'airbench':
      return airbench(epsilon, widths);
    case 'tiny':
      return tiny(epsilon);
  }
}

function missing(head: Group): () => never {
  return () => {
    throw new LockstepError('CONFIG', `The model has no ${head} head.`, {
      hint: `Add model.${head} to the config.`,
    });
  };
}
