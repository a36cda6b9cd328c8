/** The half of a step after its commit: the reduced gradients change the replica. */
import type { HostTensor } from '../shared/engine/host-tensor.js';
import { optimizerFeeds } from '../shared/optimizer/optimizer.js';
import { bucketPort } from './functions/forward-backward.js';
import type { StageProgram } from './stage-program.js';

/**
 * @param reduced the summed buckets; they stay the caller's
 * @param stepInStage counted from 0
 * @returns the gradients' global norm before clipping
 */
export async function applyStep(
  program: StageProgram,
  reduced: readonly HostTensor[],
  learningRate: number,
  stepInStage: number,
): Promise<number> {
  const buckets = Object.fromEntries(reduced.map((tensor, index) => [bucketPort(index), tensor]));
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
