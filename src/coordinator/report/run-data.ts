/** A run as a report sees it: what its folder holds so far, whatever state the run is in. */
import { existsSync } from 'node:fs';
import { z } from 'zod';
import { LockstepError } from '../../shared/errors.js';
import { whyUnreadable } from '../../shared/unreadable.js';
import { type Evaluation, readEvaluation } from '../evaluate/evaluation-file.js';
import { type MetricsEvent, type StepEvent, salvageMetrics } from '../metrics.js';
import { type RunRecord, readRun, runFolderAt } from '../run-folder.js';
import { readSummary, type Summary } from '../summary.js';
import { failureOf } from './failure.js';

/** The few keys of a config that a report needs: it is to read runs of other versions, too. */
const plannedSchema = z.object({
  data: z.object({ dataset: z.string() }),
  model: z.object({ encoder: z.string() }),
  batch: z.object({ microBatches: z.int().positive(), microBatchSize: z.int().positive() }),
  precision: z.string().optional(),
  stages: z.array(z.object({ name: z.string(), objective: z.string(), epochs: z.number() })),
});
export type Planned = z.infer<typeof plannedSchema>;
export type PlannedStage = Planned['stages'][number];

export interface RunData {
  readonly path: string;
  readonly record: RunRecord;
  readonly planned: Planned;
  readonly events: readonly MetricsEvent[];
  readonly steps: readonly StepEvent[];
  /** Set when the run has ended. */
  readonly summary: Summary | undefined;
  /** Set when it has failed, and nobody has gone on with it. */
  readonly failure: string | undefined;
  /** Set when `lockstep eval` was asked about one of its checkpoints. */
  readonly evaluation: Evaluation | undefined;
  /** What was wrong with the folder, one sentence each. */
  readonly warnings: readonly string[];
}

/** @throws LockstepError RUN_FOLDER if the folder holds no run, or one without metrics */
export async function readRunData(path: string): Promise<RunData> {
  const record = await readRun(path);
  const planned = plannedSchema.safeParse(record.config);
  if (!planned.success) {
    const why = whyUnreadable(planned.error);
    throw new LockstepError('RUN_FOLDER', `${path}/run.json has a config that can't be read: ${why}.`);
  }
  const folder = runFolderAt(path);
  if (!existsSync(folder.metrics)) {
    throw new LockstepError('RUN_FOLDER', `${path} has no metrics.jsonl: there is nothing to report.`, {
      hint: 'A run writes it from its start on; was the folder copied without it?',
    });
  }
  const { events, damaged } = await salvageMetrics(folder.metrics);
  const steps = events.filter((event) => event.type === 'step');
  const failure = await failureOf(folder.logs);
  const warnings = failure === undefined ? [] : [`The run has failed: ${failure}`];
  if (damaged.length > 0) {
    warnings.push(
      `metrics.jsonl has ${damaged.length} damaged ${damaged.length === 1 ? 'line' : 'lines'}, left out here; the first is line ${damaged[0]}.`,
    );
  }
  const lost = steps.filter(({ loss }) => !Number.isFinite(loss));
  if (lost.length > 0) {
    const { length } = lost;
    warnings.push(
      `The loss was not finite in ${length} ${length === 1 ? 'step' : 'steps'}, first in step ${lost[0]!.step}.`,
    );
  }
  const readIfThere = async <T>(file: string, read: (file: string) => Promise<T>): Promise<T | undefined> => {
    if (!existsSync(file)) return undefined;
    return await read(file).catch((error: LockstepError) => {
      warnings.push(error.message);
      return undefined;
    });
  };
  const summary = await readIfThere(folder.summary, readSummary);
  const evaluation = await readIfThere(folder.evaluation, readEvaluation);
  return { path, record, planned: planned.data, events, steps, summary, failure, evaluation, warnings };
}

export function globalBatchOf({ planned: { batch } }: RunData): number {
  return batch.microBatches * batch.microBatchSize;
}

/** The stages that have begun. */
export function stagesOf({ planned, steps }: RunData): readonly PlannedStage[] {
  const begun = new Set(steps.map(({ stage }) => stage));
  return planned.stages.filter(({ name }) => begun.has(name));
}
