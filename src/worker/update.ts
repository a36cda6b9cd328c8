/** The half of a step after its commit: the reduced gradients change the replica. */
import type { HostTensor } from '../shared/engine/host-tensor.js';
import { emaDecay } from '../shared/optimizer/ema.js';
import { optimizerFeeds, type UpdateInput } from '../shared/optimizer/optimizer.js';
import { bucketInput } from './functions/apply.js';
import { averageInput } from './functions/average.js';
import type { StageProgram } from './stage-program.js';

/** What a step was applied with. */
export interface Applied {
  /** The gradients' global norm before clipping; where it is not finite and the scale dynamic, the step was skipped. */
  readonly gradNorm: number;
  /** What the loss was multiplied by, where that changes. */
  readonly lossScale: number | null;
}

/**
 * @param reduced the summed buckets; they stay the caller's
 * @param stepInStage counted from 0
 */
export async function applyStep(
  program: StageProgram,
  reduced: readonly HostTensor[],
  { stepInStage, ...rates }: Omit<UpdateInput, 'update'> & { readonly stepInStage: number },
): Promise<Applied> {
  const buckets = Object.fromEntries(reduced.map((tensor, index) => [bucketInput(index), tensor]));
  const { optimizer, ema } = program.shape.config;
  const scaling = await program.readLossScale();
  // Skipped steps are no updates: bias corrections and averages don't count them.
  const update = stepInStage + 1 - (scaling?.skipped ?? 0);
  const { gradNorm } = await program.apply.run({
    ...buckets,
    ...optimizerFeeds(optimizer, { ...rates, update }),
    ...(ema === undefined ? {} : { [averageInput]: [1 - emaDecay(ema.decay, update)] }),
  });
  try {
    return { gradNorm: gradNorm!.scalar, lossScale: scaling?.scale ?? null };
  } finally {
    gradNorm!.free();
  }
}
