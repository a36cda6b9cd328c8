/** The half of a step after its commit: the reduced gradients change the replica. */
import { emaDecay } from '../shared/optimizer/ema.js';
import { optimizerFeeds, type UpdateInput } from '../shared/optimizer/optimizer.js';
import { bucketInput, normInput } from './functions/apply.js';
import { averageInput } from './functions/average.js';
import type { StageProgram } from './stage-program.js';
import type { StepOutcome } from './step.js';

/** What a step was applied with. */
export interface Applied {
  /** The gradients' global norm before clipping; where it is not finite and the scale dynamic, the step was skipped. */
  readonly gradNorm: number;
  /** What the loss was multiplied by, where that changes. */
  readonly lossScale: number | null;
}

/**
 * @param step its summed buckets, which stay the caller's
 * @param stepInStage counted from 0
 */
export async function applyStep(
  program: StageProgram,
  { reduced, scaledNorm }: Pick<StepOutcome, 'reduced' | 'scaledNorm'>,
  { stepInStage, ...rates }: Omit<UpdateInput, 'update'> & { readonly stepInStage: number },
): Promise<Applied> {
  const buckets = Object.fromEntries(reduced.map((tensor, index) => [bucketInput(index), tensor]));
  const { config, lossScale } = program.shape;
  const { optimizer, ema } = config;
  const scaling = await program.readLossScale();
  // Skipped steps are no updates: bias corrections and averages don't count them.
  const update = stepInStage + 1 - (scaling?.skipped ?? 0);
  await program.apply.run({
    ...buckets,
    [normInput]: [scaledNorm],
    ...optimizerFeeds(optimizer, { ...rates, update }),
    ...(ema === undefined ? {} : { [averageInput]: [1 - emaDecay(ema.decay, update)] }),
  });
  const fixed = lossScale.kind === 'fixed' ? lossScale.value : 1;
  return { gradNorm: scaledNorm / (scaling?.scale ?? fixed), lossScale: scaling?.scale ?? null };
}
