/** What a scaling study runs: the config for each number of workers, and the order of the runs. */
import { isContrastive } from '../../shared/config/objectives.js';
import { parseConfig } from '../../shared/config/parse.js';
import type { Config } from '../../shared/config/schema.js';
import { LockstepError } from '../../shared/errors.js';

/**
 * `strong`: the config's global batch, shared by all workers. `weak`: every worker has as many micro-batches as the
 * config has in all, so the global batch grows with their number.
 */
export const modes = ['weak', 'strong'] as const;
export type Mode = (typeof modes)[number];

export interface StudyPlan {
  readonly config: Config;
  readonly mode: Mode;
  /** Numbers of workers, ascending and distinct. */
  readonly workers: readonly number[];
  readonly repeats: number;
  /** Steps before the measured ones, in every run. */
  readonly warmup: number;
  /** Measured steps of a run. */
  readonly steps: number;
}

/**
 * The config of one run: the first stage alone, long enough, without evaluation and checkpoints, which would come
 * between the measured steps.
 * @param trainImages of the dataset, after data.limit
 * @throws LockstepError CONFIG when the images do not fill one global batch, USAGE when workers can't share it
 */
export function configFor(plan: StudyPlan, workers: number, trainImages: number): Config {
  const { config, mode, warmup, steps } = plan;
  const { microBatches: planned, microBatchSize } = config.batch;
  const microBatches = mode === 'weak' ? planned * workers : planned;
  if (workers > microBatches) {
    throw new LockstepError('USAGE', `${workers} workers can't share ${microBatches} micro-batches.`, {
      hint: 'Raise batch.microBatches (--set batch.microBatches=…), or study --mode weak.',
    });
  }
  const stepsPerEpoch = Math.floor(trainImages / (microBatches * microBatchSize));
  if (stepsPerEpoch === 0) {
    throw new LockstepError(
      'CONFIG',
      `${workers} workers have a global batch of ${microBatches * microBatchSize} images, more than the ${trainImages} of the dataset.`,
      { hint: 'Lower batch.microBatches or batch.microBatchSize with --set, or take more data.' },
    );
  }
  const [stage] = config.stages;
  const { learningRate } = stage!;
  // One epoch more than needed: the end of a stage evaluates and saves.
  const epochs = Math.max(stage!.epochs, Math.ceil((warmup + steps) / stepsPerEpoch) + 1);
  const never = epochs + 1;
  const contrastive = isContrastive(stage!);
  const { projection, classifier, ...model } = config.model;
  return parseConfig(
    {
      ...config,
      model: { ...model, ...(contrastive ? { projection } : { classifier }) },
      batch: { microBatches, microBatchSize },
      stages: [{ ...stage, epochs, learningRate }],
      evaluate: { ...config.evaluate, everyEpochs: never },
      checkpoint: { keep: 1, everyEpochs: never },
    },
    'lockstep scale',
  );
}

/** A run of the study: which number of workers, in which repeat. */
export interface PlannedRun {
  readonly workers: number;
  /** From 0. */
  readonly repeat: number;
}

/**
 * Interleaved: every repeat runs each number of workers once, and begins with another one than the repeat before, so that
 * neither a slow minute of the machine nor the order within a repeat falls on one of them alone.
 */
export function interleaved(workers: readonly number[], repeats: number): PlannedRun[] {
  return Array.from({ length: repeats }, (_, repeat) =>
    workers.map((_, i) => ({ workers: workers[(i + repeat) % workers.length]!, repeat })),
  ).flat();
}

/** Whether the run is one of the plan. */
export function planned(
  { workers, repeats }: Pick<StudyPlan, 'workers' | 'repeats'>,
  run: PlannedRun,
): boolean {
  return workers.includes(run.workers) && run.repeat < repeats;
}
