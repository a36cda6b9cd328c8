/** The half of a step after its commit: the reduced gradients change the replica. */
import { optimizerFeeds } from '../shared/optimizer/optimizer.js';
import { bucketPort } from './functions/forward-backward.js';
import type { StageProgram } from './stage-program.js';

/**
 * @param stepInStage counted from 0
 * @returns the gradients' global norm before clipping
 */
export async function applyStep(
  program: StageProgram,
  learningRate: number,
  stepInStage: number,
): Promise<number> {
  const buckets = Object.fromEntries(program.reduced.map((tensor, index) => [bucketPort(index), tensor]));
  const { optimizer } = program.shape.config;
  const { gradNorm } = await program.apply.run({
    ...buckets,
    ...optimizerFeeds(optimizer, learningRate, stepInStage + 1),
  });
  try {
    return gradNorm!.scalar;
  } finally {
    gradNorm!.free();
  }
}
