/** What kinds of objectives have in common. */
import type { ContrastiveStage, StageConfig } from './schema.js';

/** Whether a stage compares embeddings over the global batch: it trains encoder and projection head. */
export function isContrastive(stage: StageConfig): stage is ContrastiveStage {
  return stage.objective !== 'softmax';
}

/** Rows that an image has in a micro-batch of the stage. */
export function viewsOf(stage: StageConfig): number {
  return isContrastive(stage) ? stage.views : 1;
}
