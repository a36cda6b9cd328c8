/** Whether a stage gets the same features of an image in every epoch, so that they need computing only once. */
import { type AugmentConfig, augmentSchema } from './augment.js';
import { type Config, type StageConfig, stageAugment } from './schema.js';

/** The encoder is frozen, images come to it as they are, and the config allows to keep what it makes of them. */
export function hasFixedFeatures(config: Config, stage: StageConfig): boolean {
  return (
    stage.objective === 'softmax' &&
    stage.freeze === 'encoder' &&
    stage.cacheFeatures === 'auto' &&
    !augments(stageAugment(config, stage))
  );
}

const none = augmentSchema.parse({ crop: 0, flip: 'none' });

/** What lies beyond the edge shows only where something else moves the image. */
function augments({ fill: _, ...augment }: AugmentConfig): boolean {
  const { fill: __, ...nothing } = none;
  return JSON.stringify(augment) !== JSON.stringify(nothing);
}
