/** The learning rate as a function of samples seen, so that neither workers nor batch size bend its curve. */
import type { LearningRateConfig } from '../config/schema.js';
import { cosinePi } from './cosine.js';

/**
 * The learning rate of the step that begins after `samples` images of its stage: first linear from `warmupStart` to
 * `peak` over `warmupEpochs`, then by `decay`. The cosine runs over what is left after the warm-up:
 * final + (peak − final)·(1 + cos πt)/2; `step` multiplies by `factor` at every milestone passed.
 *
 * @param samplesPerEpoch images that an epoch trains on: steps per epoch · global batch
 */
export function learningRateAt(
  schedule: LearningRateConfig,
  stage: { readonly epochs: number; readonly samplesPerEpoch: number },
  samples: number,
): number {
  const { peak, warmupStart } = schedule;
  const warmup = schedule.warmupEpochs * stage.samplesPerEpoch;
  if (samples < warmup) return warmupStart + (peak - warmupStart) * (samples / warmup);
  switch (schedule.decay) {
    case 'constant':
      return peak;
    case 'cosine': {
      const end = stage.epochs * stage.samplesPerEpoch;
      if (samples >= end) return schedule.final;
      return (
        schedule.final + ((peak - schedule.final) * (1 + cosinePi((samples - warmup) / (end - warmup)))) / 2
      );
    }
    case 'step': {
      let rate = peak;
      for (const milestone of schedule.milestones) {
        if (samples >= milestone * stage.samplesPerEpoch) rate *= schedule.factor;
      }
      return rate;
    }
  }
}
