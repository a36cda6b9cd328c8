/** What a model is: specifications of its tensors, and pure functions from images to features, rows and logits. */
import type { Tensor2D, Tensor4D } from '@tensorflow/tfjs-node-gpu';
import type { ModelConfig } from '../config/schema.js';
import { LockstepError } from '../errors.js';
import { airbench } from './airbench.js';
import type { Encoder } from './encoder.js';
import { classifierHead, projectionHead } from './heads.js';
import { tensorsOf } from './layers.js';
import { resnet } from './resnet.js';
import { resnet50v2 } from './resnet-v2.js';
import type { Scope } from './scope.js';
import type { Group, ParameterSpec, StatisticSpec } from './tensor-specs.js';
import { tiny } from './tiny.js';

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
