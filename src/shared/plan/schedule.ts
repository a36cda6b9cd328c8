/** The learning rate as a function of samples seen, so that neither workers nor batch size bend its curve. */
import type { LearningRateConfig } from '../config/schema.js';
import { cosinePi } from './cosine.js';

/** As far as schedules depend on it; images that an epoch trains on: steps per epoch · global batch. */
export interface StageLength {
  readonly epochs: number;
  readonly samplesPerEpoch: number;
}

/**
 * The learning rate of the step that begins after `samples` images of its stage: first from `warmupStart` to `peak`
 * over `warmupEpochs`, in a line or, for one cycle, half a cosine; then by `decay` over what is left after the warm-up,
 * to `final` in half a cosine, final + (peak − final)·(1 + cos πt)/2, or in a line. `step` multiplies by `factor` at
 * every milestone passed.
 *
 * @param schedule its rates as they are to be used: see `scaledSchedule`
 */
export function learningRateAt(schedule: LearningRateConfig, stage: StageLength, samples: number): number {
  const { peak, warmupStart } = schedule;
  const { rising, t } = phaseAt(schedule, stage, samples);
  if (rising)
    return schedule.decay === 'oneCycle' ? cosine(warmupStart, peak, t) : line(warmupStart, peak, t);
  switch (schedule.decay) {
    case 'constant':
      return peak;
    case 'cosine':
    case 'oneCycle':
      return cosine(peak, schedule.final, t);
    case 'linear':
      return line(peak, schedule.final, t);
    case 'step': {
      let rate = peak;
      for (const milestone of schedule.milestones) {
        if (samples >= milestone * stage.samplesPerEpoch) rate *= schedule.factor;
      }
      return rate;
    }
  }
}

/** Momentum (Adam's beta1) at the same step where it cycles against the learning rate; else undefined. */
export function momentumAt(
  schedule: LearningRateConfig,
  stage: StageLength,
  samples: number,
): number | undefined {
  if (schedule.decay !== 'oneCycle' || schedule.momentum === undefined) return undefined;
  const { low, high } = schedule.momentum;
  const { rising, t } = phaseAt(schedule, stage, samples);
  return rising ? cosine(high, low, t) : cosine(low, high, t);
}

/**
 * The schedule with its rates scaled by the global batch, if it asks for that: k times the batch, k times the rate
 * (Goyal et al. 2017, section 2.1), or √k times (Krizhevsky 2014). Lengths stay: they are counted in samples.
 */
export function scaledSchedule(schedule: LearningRateConfig, globalBatch: number): LearningRateConfig {
  const factor = scalingFactor(schedule, globalBatch);
  if (factor === 1) return schedule;
  return {
    ...schedule,
    peak: schedule.peak * factor,
    warmupStart: schedule.warmupStart * factor,
    ...('final' in schedule ? { final: schedule.final * factor } : {}),
  } as LearningRateConfig;
}

/** What a schedule's rates are multiplied by. */
export function scalingFactor({ scaling }: LearningRateConfig, globalBatch: number): number {
  if (scaling === undefined) return 1;
  const ratio = globalBatch / scaling.baseBatch;
  return scaling.rule === 'linear' ? ratio : Math.sqrt(ratio);
}

/** Whether the warm-up goes on, and how far it, or what follows it, has come: 0 to 1. */
function phaseAt(
  { warmupEpochs }: LearningRateConfig,
  { epochs, samplesPerEpoch }: StageLength,
  samples: number,
): { readonly rising: boolean; readonly t: number } {
  const warmup = warmupEpochs * samplesPerEpoch;
  const end = epochs * samplesPerEpoch;
  if (samples < warmup) return { rising: true, t: samples / warmup };
  return { rising: false, t: samples >= end ? 1 : (samples - warmup) / (end - warmup) };
}

function line(from: number, to: number, t: number): number {
  return t === 1 ? to : from + (to - from) * t;
}

function cosine(from: number, to: number, t: number): number {
  return t === 1 ? to : to + ((from - to) * (1 + cosinePi(t))) / 2;
}
