/** One run of a study that is measured in parts: a job of its own on a cluster. All parts lie in the study's folder. */
import { existsSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { writeAtomically } from '../../shared/checkpoint/durable.js';
import { LockstepError } from '../../shared/errors.js';
import { headerOf, trainImagesOf } from './header.js';
import { describeRun, measureRun } from './measure-run.js';
import { configFor, type PlannedRun, planned } from './plan.js';
import type { StudyOptions } from './run-study.js';
import { type Study, studyFileAt } from './study.js';

/** What a part leaves that came to nothing. */
export const failedPartSchema = z.strictObject({
  format: z.literal(1),
  kind: z.literal('failed part of a scaling study'),
  workers: z.int().positive(),
  /** From 0. */
  repeat: z.int().nonnegative(),
  at: z.iso.datetime(),
  why: z.string(),
});
type FailedPart = z.infer<typeof failedPartSchema>;

export function partsFolder(study: string): string {
  return join(study, 'parts');
}

/** A part is a study of a single run; repeats are counted from 1 in names. */
export function partFileAt(study: string, { workers, repeat }: PlannedRun): string {
  return join(partsFolder(study), `${workers}-${repeat + 1}.json`);
}

export function failedPartFileAt(study: string, { workers, repeat }: PlannedRun): string {
  return join(partsFolder(study), `${workers}-${repeat + 1}.failed.json`);
}

/**
 * Measures the run and leaves it in the study's folder; what an earlier try left there is void.
 * @throws LockstepError why there is none: that is left as well
 */
export async function runPart(options: StudyOptions, run: PlannedRun): Promise<void> {
  const { folder, note } = options;
  if (!planned(options, run)) {
    throw new LockstepError(
      'USAGE',
      `The study has no run ${run.repeat + 1} of ${run.workers} workers: it has ${options.repeats} each of ${options.workers.join(', ')}.`,
      { hint: 'Give all parts the same --workers and --repeats.' },
    );
  }
  await prepareFolder(folder, run);
  try {
    const study = await measurePart(options, run);
    await writeAtomically(partFileAt(folder, run), `${JSON.stringify(study)}\n`);
    note(`repeat ${run.repeat + 1}: ${describeRun(study.runs[0]!)}`);
  } catch (error) {
    const failed: FailedPart = {
      ...{ format: 1, kind: 'failed part of a scaling study', ...run, at: new Date().toISOString() },
      why: error instanceof LockstepError ? error.message : String(error),
    };
    // The error itself says more than that it could not be noted.
    await writeAtomically(failedPartFileAt(folder, run), `${JSON.stringify(failed)}\n`).catch(() => {});
    throw error;
  }
}

async function measurePart(options: StudyOptions, run: PlannedRun): Promise<Study> {
  const { config } = options;
  const own = configFor(options, run.workers, await trainImagesOf(config));
  const header = await headerOf(options, own);
  const measured = await measureRun(options, own, run);
  if (measured === undefined) {
    throw new LockstepError('INTERRUPTED', 'The run was stopped by a signal before it had all of its steps.');
  }
  return { ...header, runs: [measured] };
}

async function prepareFolder(folder: string, run: PlannedRun): Promise<void> {
  if (existsSync(studyFileAt(folder)) && !existsSync(partsFolder(folder))) {
    throw new LockstepError('RUN_FOLDER', `${folder} holds a whole study already.`, {
      hint: 'Choose another folder with --out.',
    });
  }
  try {
    await mkdir(partsFolder(folder), { recursive: true });
    for (const path of [partFileAt(folder, run), failedPartFileAt(folder, run)])
      await rm(path, { force: true });
  } catch (cause) {
    throw new LockstepError('RUN_FOLDER', `${folder} can't be written to: ${(cause as Error).message}.`, {
      cause,
    });
  }
}
