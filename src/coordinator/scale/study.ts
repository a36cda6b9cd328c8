/** study.json: everything that a scaling study measured, from which all of its results can be computed again. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { isSystemError, writeAtomically } from '../../shared/checkpoint/durable.js';
import { LockstepError } from '../../shared/errors.js';
import { simulatedComputeSchema } from '../../shared/simulation/compute.js';
import { linkSchema } from '../../shared/simulation/link.js';
import { whyUnreadable } from '../../shared/unreadable.js';
import { modes } from './plan.js';

const count = z.int().positive();
const ms = z.number();

/** One measured step. */
const measuredStepSchema = z.strictObject({
  /** From the end of the step before to the end of this one, as the coordinator saw it. */
  ms,
  /** By rank: input, compute, exposed communication, commit, each in ms as the rank measured it. */
  ranks: z.array(z.tuple([ms, ms, ms, ms])).min(1),
});
export type MeasuredStep = z.infer<typeof measuredStepSchema>;

/** What it ran on. */
export const machineSchema = z.strictObject({
  host: z.string(),
  processor: z.string(),
  cores: count,
  gpus: z.int().nonnegative(),
  memoryGb: z.number(),
  kernel: z.string(),
});

const runSchema = z.strictObject({
  workers: count,
  /** From 0. */
  repeat: z.int().nonnegative(),
  microBatches: count,
  /** Images of a step. */
  globalBatch: count,
  startedAt: z.iso.datetime(),
  /** Of the whole run, with its start and warm-up. */
  seconds: z.number(),
  /** The share of this host's cores that others used in the second before the run, 0 to 1; not known of other hosts. */
  othersLoad: z.number().optional(),
  /** By rank, where workers were not started on the coordinator's own host. */
  hosts: z.array(z.string()).optional(),
  steps: z.array(measuredStepSchema).min(1),
});
export type StudyRun = z.infer<typeof runSchema>;

/** A run of the plan that has no result, and why. */
const missingRunSchema = z.strictObject({ workers: count, repeat: z.int().nonnegative(), why: z.string() });
export type MissingRun = z.infer<typeof missingRunSchema>;

export const studySchema = z.strictObject({
  format: z.literal(1),
  kind: z.literal('scaling study'),
  name: z.string(),
  mode: z.enum(modes),
  workers: z.array(count).min(1),
  repeats: count,
  warmup: z.int().nonnegative(),
  steps: count,
  startedAt: z.iso.datetime(),
  commandLine: z.array(z.string()),
  versions: z.record(z.string(), z.string()),
  machine: machineSchema,
  /** The config that the numbers of workers were derived from. */
  config: z.unknown(),
  threads: count,
  microBatchSize: count,
  /** What every worker reduces in a step: gradients and statistics. */
  reducedBytes: z.number().positive(),
  simulatedCompute: simulatedComputeSchema.optional(),
  simulatedLink: linkSchema.optional(),
  /** The network that forecasts assume: the simulated one, if there is one. */
  network: linkSchema,
  /** In the order in which they ran. */
  runs: z.array(runSchema),
  /** Of a study that was measured in parts: those without a result. Not set for one that ran in one go. */
  missing: z.array(missingRunSchema).optional(),
});
export type Study = z.infer<typeof studySchema>;

/** All but what was measured. */
export type StudyHeader = Omit<Study, 'runs' | 'missing'>;

export function studyFileAt(folder: string): string {
  return join(folder, 'study.json');
}

export async function writeStudy(folder: string, study: Study): Promise<void> {
  await writeAtomically(studyFileAt(folder), `${JSON.stringify(study)}\n`);
}

/** @throws LockstepError RUN_FOLDER when there is none, or it is not one */
export async function readStudy(folder: string): Promise<Study> {
  try {
    return await readStudyFile(studyFileAt(folder));
  } catch (cause) {
    if (cause instanceof LockstepError) throw cause;
    throw new LockstepError('RUN_FOLDER', `${folder} holds no scaling study: it has no study.json.`, {
      cause,
      hint: 'A study is what `lockstep scale` makes; one that was measured in parts is collected first.',
    });
  }
}

/** @throws LockstepError RUN_FOLDER when it can't be read as a study; ENOENT and ENOTDIR as they are */
export async function readStudyFile(path: string): Promise<Study> {
  try {
    return studySchema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch (cause) {
    if (isSystemError(cause, 'ENOENT', 'ENOTDIR')) throw cause;
    const why = whyUnreadable(cause);
    throw new LockstepError('RUN_FOLDER', `${path} can't be read: ${why}.`, { cause });
  }
}

/** Where its workers ran: hosts like the one that the study describes. */
export function coresOf({ machine }: Pick<Study, 'machine'>, { hosts }: StudyRun): number {
  return machine.cores * (hosts === undefined ? 1 : new Set(hosts).size);
}
