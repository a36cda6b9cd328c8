/** Whether a stage gets the same features of an image in every epoch, so that they need computing only once. */
import { changesImages } from './augment.js';
import { type Config, type StageConfig, stageAugment } from './schema.js';

/** The encoder is frozen, nothing random happens to an image before it, and the config allows to keep what it gives. */
export function hasFixedFeatures(config: Config, stage: StageConfig): boolean {
  return (
    stage.objective === 'softmax' &&
    stage.freeze === 'encoder' &&
    stage.cacheFeatures === 'auto' &&
    !changesImages(stageAugment(config, stage))
  );
}
