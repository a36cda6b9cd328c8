/** One run of the plan, measured. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '../../shared/config/schema.js';
import { LockstepError } from '../../shared/errors.js';
import { meanOf } from '../../shared/statistics/estimate.js';
import { loadOfOthers } from './machine.js';
import { type Measurement, measure } from './measure.js';
import type { PlannedRun } from './plan.js';
import { throughput } from './results.js';
import type { StudyRun } from './study.js';

export type RunOptions = Pick<
  Measurement,
  'warmup' | 'steps' | 'stop' | 'place' | 'simulatedCompute' | 'simulatedLink'
> & {
  /** The study's folder: logs of the run go below it. */
  readonly folder: string;
};

const loadMs = 1000;

/**
 * @param config that of `configFor`
 * @returns undefined when the run was stopped before it had all of its steps
 * @throws LockstepError what ended it
 */
export async function measureRun(
  options: RunOptions,
  config: Config,
  { workers, repeat }: PlannedRun,
): Promise<StudyRun | undefined> {
  const { folder, place, steps } = options;
  // Workers that others start may be starting now; they are not to be counted.
  const othersLoad = place === undefined ? await loadOfOthers(loadMs) : undefined;
  const startedAt = new Date().toISOString();
  const began = performance.now();
  const logs = logsOf(folder, { workers, repeat });
  await makeLogs(logs);
  const measured = await measure({ ...options, config, workers, logs, log: () => {} });
  if (measured.steps.length < steps) return undefined;
  const { microBatches, microBatchSize } = config.batch;
  return {
    ...{ workers, repeat, microBatches, globalBatch: microBatches * microBatchSize, startedAt },
    seconds: (performance.now() - began) / 1000,
    ...(othersLoad === undefined ? {} : { othersLoad }),
    ...(place === undefined ? {} : { hosts: [...measured.hosts] }),
    steps: [...measured.steps],
  };
}

export function describeRun(run: StudyRun): string {
  const { workers, steps } = run;
  const ms = meanOf(steps.map((step) => step.ms));
  return `${workers} ${workers === 1 ? 'worker' : 'workers'}, ${throughput(run).toFixed(1)} images/s, ${ms.toFixed(1)} ms a step`;
}

function logsOf(folder: string, { workers, repeat }: PlannedRun): string {
  return join(folder, 'logs', `${repeat + 1}-${workers}`);
}

async function makeLogs(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
  } catch (cause) {
    throw new LockstepError('RUN_FOLDER', `${path} can't be made: ${(cause as Error).message}.`, { cause });
  }
}
