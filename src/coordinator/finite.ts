/** Whether a step's numbers are numbers, and what becomes of a step whose numbers are not. */
import type { LossScaleConfig } from '../shared/config/schema.js';
import { LockstepError } from '../shared/errors.js';

export interface StepPlace {
  readonly stage: string;
  /** From 1, over the whole run. */
  readonly step: number;
  readonly learningRate: number;
}

/**
 * Before the commit: without dynamic scaling a loss that is no number ends the run. With it the gradients decide.
 * @throws LockstepError NOT_FINITE
 */
export function requireFiniteLoss(loss: number, scaling: LossScaleConfig, place: StepPlace): void {
  if (scaling.kind !== 'dynamic' && !Number.isFinite(loss)) throw notFinite(`The loss is ${loss}`, place);
}

/**
 * Whether dynamic loss scaling has skipped a step.
 * @param lossScale what the loss was multiplied by; null where that does not change
 * @throws LockstepError NOT_FINITE where a gradient that is no number has nothing to do with the scale
 */
export function skippedBy(gradNorm: number, lossScale: number | null, place: StepPlace): boolean {
  if (Number.isFinite(gradNorm)) return false;
  if (lossScale !== null && lossScale > 1) return true;
  const even = lossScale === null ? '' : ', even with a loss scale of 1,';
  throw notFinite(`The norm of the gradients is ${gradNorm}${even}`, place);
}

function notFinite(what: string, { stage, step, learningRate }: StepPlace): LockstepError {
  return new LockstepError(
    'NOT_FINITE',
    `${what} at step ${step} (stage '${stage}', learning rate ${Number(learningRate.toPrecision(4))}): the training has diverged.`,
    {
      hint: 'Lower learningRate.peak, lengthen the warm-up or set clipNorm; checkpoints are from before.',
    },
  );
}
