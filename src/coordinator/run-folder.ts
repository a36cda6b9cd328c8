/** The folder of one run: who made it and how (run.json), and the places of everything that the run leaves. */
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import {
  createAtomically,
  isPartial,
  isSystemError,
  syncFolder,
  writeAtomically,
} from '../shared/checkpoint/durable.js';
import { configDigest } from '../shared/config/digest.js';
import type { Config } from '../shared/config/schema.js';
import { LockstepError } from '../shared/errors.js';
import { rewindMetrics } from './metrics.js';
import { scaledRatesSchema } from './scaled-rates.js';
import { initialWeightsRecord } from './weights/initial-weights.js';

/** One start of a run: the first, or a later one with --resume. */
const startSchema = z.strictObject({
  /** ISO 8601, UTC. */
  startedAt: z.iso.datetime(),
  commandLine: z.array(z.string()),
  /** Who computes: number of workers, hosts, devices, threads. */
  topology: z.record(z.string(), z.unknown()),
  /** Of lockstep, node, the engine. */
  versions: z.record(z.string(), z.string()),
});
export type RunStart = z.infer<typeof startSchema>;

export const runSchema = z.strictObject({
  format: z.literal(1),
  name: z.string(),
  /** The resolved configuration. */
  config: z.unknown(),
  configDigest: z.string(),
  /** Of the images and labels: see `datasetDigest`. Runs from before 0.1.0 have none. */
  datasetDigest: z.string().optional(),
  seed: z.int(),
  /** The file that the first weights came from, if it was not the seed. */
  initialWeights: initialWeightsRecord.optional(),
  /** What `learningRate.scaling` comes to, of each stage that has it. */
  scaledLearningRates: z.array(scaledRatesSchema).optional(),
  ...startSchema.shape,
  resumed: z.array(z.strictObject({ ...startSchema.shape, fromStep: z.int().nonnegative() })),
});
export type RunRecord = z.infer<typeof runSchema>;

/** The paths inside a run folder. */
export interface RunFolder {
  readonly path: string;
  readonly metrics: string;
  readonly summary: string;
  /** What `lockstep eval` has found out, if it was asked. */
  readonly evaluation: string;
  readonly report: string;
  readonly logs: string;
  readonly checkpoints: string;
  /** What workers need to join; there while the run goes on. */
  readonly join: string;
}

export function runFolderAt(path: string): RunFolder {
  return {
    path,
    metrics: join(path, 'metrics.jsonl'),
    summary: join(path, 'summary.json'),
    evaluation: join(path, 'evaluation.json'),
    report: join(path, 'report.html'),
    logs: join(path, 'logs'),
    checkpoints: join(path, 'checkpoints'),
    join: join(path, 'join.json'),
  };
}

/** The folder name of a run that wasn't given one: `<config name>-<yyyymmdd>-<hhmmss>`, local time. */
export function defaultRunName(configName: string, at: Date): string {
  const two = (value: number) => String(value).padStart(2, '0');
  const day = `${at.getFullYear()}${two(at.getMonth() + 1)}${two(at.getDate())}`;
  return `${configName}-${day}-${two(at.getHours())}${two(at.getMinutes())}${two(at.getSeconds())}`;
}

/**
 * Makes the folder of a new run and writes its run.json. `out` is where; without it a new folder under `runs/`.
 * Throws RUN_FOLDER if `out` holds anything already, so that no run is ever written over.
 */
export async function createRunFolder(
  out: string | undefined,
  run: Omit<RunRecord, 'format' | 'resumed'>,
): Promise<RunFolder> {
  let path = out ?? join('runs', defaultRunName(run.name, new Date(run.startedAt)));
  try {
    if (out === undefined) path = await makeUnused(path);
    else await mkdir(path, { recursive: true });
    await refuseIfUsed(path);
    const folder = runFolderAt(path);
    const record: RunRecord = { format: 1, ...run, resumed: [] };
    // Of two runs that start in the same folder at once, one fails here.
    await createAtomically(join(path, 'run.json'), `${JSON.stringify(record, null, 2)}\n`);
    await mkdir(folder.logs, { recursive: true });
    await syncFolder(path);
    return folder;
  } catch (cause) {
    if (cause instanceof LockstepError) throw cause;
    throw new LockstepError('RUN_FOLDER', `Run folder ${path} can't be made: ${(cause as Error).message}.`, {
      cause,
      hint: elsewhere,
    });
  }
}

const elsewhere = 'Choose an empty folder with --out.';

/** Reads a run folder's run.json. Throws RUN_FOLDER if it is missing or not one. */
export async function readRun(path: string): Promise<RunRecord> {
  try {
    return runSchema.parse(JSON.parse(await readFile(join(path, 'run.json'), 'utf8')));
  } catch (cause) {
    const what = isSystemError(cause, 'ENOENT', 'ENOTDIR')
      ? 'has no run.json'
      : 'has a run.json that is damaged';
    throw new LockstepError('RUN_FOLDER', `${path} is no run folder: it ${what}.`, {
      cause,
      hint: 'A run folder is what `lockstep train` makes, by default under runs/.',
    });
  }
}

/** What a run can't change when it is resumed. */
export interface Origin {
  readonly configDigest: string;
  /** Undefined for a run that has ended: nothing is trained, so its data need not be there any more. */
  readonly datasetDigest: string | undefined;
}

/**
 * Takes up a run from its checkpoint at `fromStep`: notes the new start in run.json, and drops the metrics after that step.
 * Without `fromStep` the run has ended, and is only found.
 * @throws LockstepError RUN_FOLDER if the folder belongs to another configuration, or to other data of the same name
 */
export async function resumeRunFolder(
  path: string,
  origin: Origin,
  start: RunStart,
  fromStep?: number,
): Promise<RunFolder> {
  const record = await readRun(path);
  if (isOfOtherConfig(record, origin.configDigest)) {
    throw new LockstepError(
      'RUN_FOLDER',
      `${path} is a run of another configuration (${apart(record.configDigest, origin.configDigest)}).`,
      { hint: 'Resume it with the configuration in its run.json, or start a new run with another --out.' },
    );
  }
  if (isOfOtherData(record, origin.datasetDigest)) {
    throw new LockstepError(
      'RUN_FOLDER',
      `${path} was begun with other images than its dataset has now (${apart(record.datasetDigest!, origin.datasetDigest!)}).`,
      { hint: 'Import the images that it was begun with, or start a new run with another --out.' },
    );
  }
  const folder = runFolderAt(path);
  if (fromStep === undefined) return folder;
  const resumed = [...record.resumed, { ...start, fromStep }];
  await writeAtomically(join(path, 'run.json'), `${JSON.stringify({ ...record, resumed }, null, 2)}\n`);
  await rewindMetrics(folder.metrics, fromStep);
  return folder;
}

/** Whether a run has another configuration than that of this digest, whatever its own digest was taken of at its time. */
export function isOfOtherConfig({ config, configDigest: recorded }: RunRecord, digest: string): boolean {
  return recorded !== digest && configDigest(config as Config) !== digest;
}

/** Whether a dataset is not the one that a run was begun with, as far as both are known. */
export function isOfOtherData({ datasetDigest }: RunRecord, now: string | undefined): boolean {
  return datasetDigest !== undefined && now !== undefined && datasetDigest !== now;
}

function apart(recorded: string, now: string): string {
  return `${recorded.slice(0, 12)}, not ${now.slice(0, 12)}`;
}

/** Makes the folder, or one with a number behind its name if another run of the same second has it. Returns its path. */
async function makeUnused(path: string): Promise<string> {
  await mkdir(dirname(path), { recursive: true });
  for (let number = 1; ; number++) {
    const candidate = number === 1 ? path : `${path}-${number}`;
    try {
      await mkdir(candidate);
      return candidate;
    } catch (error) {
      if (!isSystemError(error, 'EEXIST')) throw error;
    }
  }
}

async function refuseIfUsed(path: string): Promise<void> {
  const entries = (await readdir(path)).filter((name) => !isPartial(name));
  const first = entries[0];
  if (first === undefined) return;
  if (entries.includes('run.json')) {
    throw new LockstepError('RUN_FOLDER', `Run folder ${path} holds another run already.`, {
      hint: `Add --resume to go on with that run, or choose an empty folder with --out.`,
    });
  }
  throw new LockstepError('RUN_FOLDER', `Run folder ${path} is not empty: it holds ${first}.`, {
    hint: elsewhere,
  });
}
