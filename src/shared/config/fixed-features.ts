/** Whether a stage gets the same features of an image in every epoch, so that they need computing only once. */
import { changesImages } from './augment.js';
import { type Config, type StageConfig, stageAugment } from './schema.js';

/** The encoder is frozen, images come to it as they are, and the config allows to keep what it makes of them. */
export function hasFixedFeatures(config: Config, stage: StageConfig): boolean {
  return (
    stage.objective === 'softmax' &&
    stage.freeze === 'encoder' &&
    stage.cacheFeatures === 'auto' &&
    !changesImages(stageAugment(config, stage))
  );
}
