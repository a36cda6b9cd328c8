/** The horizontal axis: steps, epochs or images, each counted over the whole run with all its stages. */
import { globalBatchOf, type RunData } from './run-data.js';

export const units = ['step', 'epoch', 'images'] as const;
export type Unit = (typeof units)[number];

/** A run's steps in the unit of the axis. */
export interface Axis {
  readonly unit: Unit;
  /** Of the state after `step` commits of the run at this index. */
  at(run: number, step: number): number;
}

/**
 * By default steps for one run, which its log and its checkpoints speak of, and epochs for several: their global batches
 * may differ. Where a run has not come to the end of its first epoch, nobody knows how long one is: steps.
 */
export function axisOf(runs: readonly RunData[], wanted?: Unit): Axis {
  const unit = wanted ?? (runs.length === 1 ? 'step' : 'epoch');
  const perEpoch = runs.map(stepsPerEpoch);
  if (unit === 'epoch' && perEpoch.every((steps) => steps !== undefined)) {
    return { unit, at: (run, step) => step / perEpoch[run]! };
  }
  if (unit === 'images') return { unit, at: (run, step) => step * globalBatchOf(runs[run]!) };
  return { unit: 'step', at: (_, step) => step };
}

/** The same in all stages, since they train on the same images; undefined before the end of the first epoch. */
export function stepsPerEpoch(run: RunData): number | undefined {
  const { steps, summary } = run;
  const end = steps.findIndex((step, i) => {
    const next = steps[i + 1];
    if (next === undefined) return summary !== undefined;
    return next.step === step.step + 1 && (next.epoch !== step.epoch || next.stage !== step.stage);
  });
  const last = steps[end];
  return last === undefined ? undefined : last.samples / globalBatchOf(run) / last.epoch;
}

/** The steps of the whole run as it is planned; undefined where the length of an epoch is not known yet. */
export function plannedSteps(run: RunData): number | undefined {
  const perEpoch = stepsPerEpoch(run);
  if (perEpoch === undefined) return undefined;
  return perEpoch * run.planned.stages.reduce((sum, { epochs }) => sum + epochs, 0);
}
