/** What a stage is made of, as far as it shapes graphs: trained parameters, statistics, batch and buckets. */
import { hasFixedFeatures } from '../shared/config/fixed-features.js';
import { isContrastive, viewsOf } from '../shared/config/objectives.js';
import {
  type Config,
  type LossScaleConfig,
  type StageConfig,
  stageAugment,
} from '../shared/config/schema.js';
import { elementCount } from '../shared/engine/dtype.js';
import { tensorsOf } from '../shared/model/layers.js';
import type { Model } from '../shared/model/model.js';
import type { ParameterSpec, StatisticSpec } from '../shared/model/tensor-specs.js';
import { rateFactors } from '../shared/optimizer/rate-factors.js';
import { type Bucket, planBuckets } from '../shared/plan/buckets.js';
import { lossScaleOf } from '../shared/plan/loss-scale.js';
import type { InputShape } from './functions/images.js';

export interface StageShape {
  readonly index: number;
  readonly config: StageConfig;
  readonly microBatches: number;
  /** One micro-batch: a row for each view of each of its images. */
  readonly input: InputShape;
  /** How many of the encoder's parts stay as they are, from the first on. */
  readonly frozenParts: number;
  readonly freezesEncoder: boolean;
  /** The encoder's features are its input, not images: see feature-cache.ts. */
  readonly cachesFeatures: boolean;
  /** An evaluation finds the features of the one before: test images are never augmented. */
  readonly keepsTestFeatures: boolean;
  /** BatchNorm takes its statistics over the global batch: all micro-batches of a worker are in flight together. */
  readonly synchronized: boolean;
  readonly dropsOut: boolean;
  readonly trained: readonly ParameterSpec[];
  /** BatchNorm statistics that the stage moves. */
  readonly observedStatistics: readonly StatisticSpec[];
  readonly statisticsMomentum: number;
  /** What the learning rate is multiplied by for each trained parameter, by name. */
  readonly rateFactors: ReadonlyMap<string, number>;
  readonly lossScale: LossScaleConfig;
}

/** The most memory that a worker gives to a cache of features. */
const mostCacheBytes = 2 ** 30;

/**
 * @param trainImages without their number nothing is cached
 * @throws LockstepError CONFIG when `learningRates` names a parameter that the stage does not train
 */
export function stageShape(
  config: Config,
  model: Model,
  index: number,
  trainImages = Number.POSITIVE_INFINITY,
): StageShape {
  const stage = config.stages[index]!;
  const { parts } = model.encoder;
  const frozenParts =
    stage.freeze === 'encoder' ? parts.length : parts.findIndex(({ name }) => name === stage.freeze) + 1;
  const freezesEncoder = frozenParts === parts.length;
  const frozen = tensorsOf(parts.slice(0, frozenParts));
  const stays = new Set([...frozen.parameters, ...frozen.statistics].map(({ name }) => name));
  const cacheBytes = trainImages * model.featureWidth * Float32Array.BYTES_PER_ELEMENT;
  const head = isContrastive(stage) ? 'projection' : 'classifier';
  const trained = model.parameters.filter(
    ({ name, group }) => (group === head || group === 'encoder') && !stays.has(name),
  );
  return {
    index,
    config: stage,
    microBatches: config.batch.microBatches,
    input: {
      count: config.batch.microBatchSize * viewsOf(stage),
      model: config.model,
      augment: stageAugment(config, stage),
    },
    frozenParts,
    freezesEncoder,
    cachesFeatures: hasFixedFeatures(config, stage) && cacheBytes <= mostCacheBytes,
    keepsTestFeatures: stage.freeze === 'encoder' && stage.cacheFeatures === 'auto',
    synchronized: config.model.batchNorm.statistics === 'globalBatch' && !freezesEncoder,
    dropsOut: stage.objective === 'softmax' && (config.model.classifier?.dropout ?? 0) > 0,
    trained,
    observedStatistics: model.statistics.filter(({ name }) => !stays.has(name)),
    statisticsMomentum: config.model.batchNorm.momentum,
    rateFactors: rateFactors(
      stage,
      index,
      trained.map(({ name }) => name),
    ),
    lossScale: lossScaleOf(config),
  };
}

/** What a softmax micro-batch reports beside its gradients; summed by the same tree. */
export const reportedSums = ['loss', 'correct'] as const;

/**
 * The buckets of a stage in the order in which a run sends them: first what the forward pass leaves (loss and
 * statistics), then gradients from the last layer to the first.
 */
export function stageBuckets(stage: StageShape, bucketBytes: number): Bucket[] {
  const fromForward = [
    ...(isContrastive(stage.config) ? [] : reportedSums.map((name) => ({ name, size: 1 }))),
    ...stage.observedStatistics.map(({ name, shape }) => ({ name, size: elementCount(shape) })),
  ];
  const gradients = stage.trained
    .map(({ name, shape }) => ({ name, size: elementCount(shape), rounded: isConvolution(shape) }))
    .reverse();
  const first = planBuckets(fromForward, {
    bucketBytes: Number.MAX_SAFE_INTEGER,
    ownBucketBytes: Number.MAX_SAFE_INTEGER,
  });
  return [...first, ...planBuckets(gradients, { bucketBytes })].map((bucket, position) => ({
    ...bucket,
    index: position,
  }));
}

/** [height,width,in,out]. Products of heads are not mixed precision's: see tensorflow.ts. */
function isConvolution(kernel: readonly number[]): boolean {
  return kernel.length === 4;
}

/** What a micro-batch gives to be gathered in a step, in floats: embeddings and labels, and what BatchNorm exchanges. */
export function gatheredSizes(stage: StageShape, model: Model): number[] {
  const { config, input, synchronized, cachesFeatures, observedStatistics } = stage;
  const contrastive = isContrastive(config) ? [input.count * model.embeddingWidth, input.count] : [];
  // A layer has two statistics [C], and exchanges [2·C] twice: forward and backward.
  const batchNorm = synchronized ? observedStatistics.map(({ shape }) => 2 * elementCount(shape)) : [];
  // Before the first step, in rounds.
  const features = cachesFeatures ? [input.count * model.featureWidth, input.count] : [];
  return [...contrastive, ...batchNorm, ...features];
}
