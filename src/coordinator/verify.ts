/** `lockstep verify`: one config on several numbers of workers, compared bit for bit. */
import { join } from 'node:path';
import { type Checkpoint, latestCheckpoint } from '../shared/checkpoint/checkpoint.js';
import { configDigest } from '../shared/config/digest.js';
import type { Config } from '../shared/config/schema.js';
import type { StepEvent } from './metrics.js';
import { type ReadyGroup, withWorkers } from './run.js';
import { saveCheckpoint } from './saving.js';
import { Training } from './training.js';
import { giveInitialWeights } from './weights/initial-weights.js';

/** What a step left behind that every number of workers must agree on. */
export interface StepRecord {
  /** Commits so far, with this one. */
  readonly step: number;
  /** Of the weights before the step. */
  readonly fingerprint: string;
  readonly loss: number;
  readonly gradNorm: number;
}

/** One training of the config. */
export interface VerifiedRun {
  readonly workers: number;
  readonly records: readonly StepRecord[];
  readonly weightsDigest: string;
  readonly seconds: number;
}

/** Where two runs part. */
export interface Difference {
  readonly workers: readonly [number, number];
  /** The first step after which a tensor differs, counted from 1. */
  readonly step: number;
  readonly tensor: string;
}

export interface Verification {
  readonly runs: readonly VerifiedRun[];
  readonly difference: Difference | null;
}

export interface VerifyOptions {
  readonly config: Config;
  readonly workers: readonly number[];
  /** Of every stage. */
  readonly steps: number;
  /** For logs and checkpoints; the caller removes it. */
  readonly folder: string;
  readonly note: (text: string) => void;
}

/** Trains with each number of workers; all are compared with the first. Stops at the first that differs. */
export async function verify(options: VerifyOptions): Promise<Verification> {
  const runs: VerifiedRun[] = [];
  for (const workers of options.workers) {
    const run = await runOnce(options, workers, Number.POSITIVE_INFINITY);
    options.note(
      `${workers} workers: ${run.records.length} steps, weights ${run.weightsDigest.slice(0, 16)}`,
    );
    runs.push(run);
    const difference = await compare(options, runs[0]!, run);
    if (difference !== null) return { runs, difference };
  }
  return { runs, difference: null };
}

/** How many commits two runs agree on: all but those from which on something differs. */
export function agreedSteps(one: readonly StepRecord[], other: readonly StepRecord[]): number {
  for (const [i, a] of one.entries()) {
    const b = other[i];
    // Weights before step i are those after the step before it.
    if (b === undefined || a.fingerprint !== b.fingerprint) return Math.max(0, i - 1);
    if (!Object.is(a.loss, b.loss) || !Object.is(a.gradNorm, b.gradNorm)) return i;
  }
  return one.length;
}

async function compare(
  options: VerifyOptions,
  one: VerifiedRun,
  other: VerifiedRun,
): Promise<Difference | null> {
  const workers = [one.workers, other.workers] as const;
  const last = one.records.at(-1)?.step ?? 0;
  const agreed = agreedSteps(one.records, other.records);
  if (agreed === one.records.length) {
    const tensor = await differingTensor(options.folder, workers);
    return tensor === undefined ? null : { workers, step: last, tensor };
  }
  // The tensors of the end have all gone their own ways: train both again, up to the step that parts them.
  for (const record of one.records.slice(agreed)) {
    for (const count of workers) await runOnce(options, count, record.step);
    const tensor = await differingTensor(options.folder, workers);
    if (tensor !== undefined) return { workers, step: record.step, tensor };
  }
  return { workers, step: last, tensor: 'none that is saved' };
}

/** The first tensor that two saved runs differ in, weights before optimiser slots. */
async function differingTensor(
  folder: string,
  workers: readonly [number, number],
): Promise<string | undefined> {
  const opened: Checkpoint[] = [];
  try {
    for (const count of workers) opened.push((await latestCheckpoint(runFolder(folder, count)))!);
    const [one, other] = opened as [Checkpoint, Checkpoint];
    for (const { name } of one.tensors) {
      if (!Buffer.from(await one.read(name)).equals(await other.read(name))) return name;
    }
    return undefined;
  } finally {
    for (const checkpoint of opened) await checkpoint.close();
  }
}

/** Trains the first steps of every stage, at most up to `endStep`, and saves what came of it. */
async function runOnce(
  { config, steps, folder }: VerifyOptions,
  workers: number,
  endStep: number,
): Promise<VerifiedRun> {
  const began = performance.now();
  const records: StepRecord[] = [];
  return await withWorkers(localWorkers(config, workers, folder), async (ready) => {
    const step = await new Training({
      ...trainingOf(ready, config),
      endOf: ({ firstStep, steps: all }) => Math.min(firstStep + Math.min(all, steps), endStep),
      observer: {
        ...silent,
        step: ({ step, loss, gradNorm }: StepEvent, _, fingerprint: string) => {
          records.push({ step, fingerprint, loss, gradNorm });
        },
      },
    }).run();
    const standing = { step: Math.max(step, 1), epoch: 0, stage: 'verify', position: {} };
    const weightsDigest = await saveCheckpoint(
      { ...standing, configDigest: configDigest(config), config },
      {
        group: ready.group,
        runFolder: runFolder(folder, workers),
        deadlineMs: config.deadlines.checkpointSeconds * 1000,
      },
    );
    return { workers, records, weightsDigest, seconds: (performance.now() - began) / 1000 };
  });
}

/**
 * Changes one bit of a tensor of the last rank, and trains on.
 * @throws LockstepError DIVERGED from the check that is meant to see it; ENGINE when there is no such tensor
 */
export async function inject(
  { config, folder, steps }: VerifyOptions,
  workers: number,
  tensor: string,
): Promise<void> {
  await withWorkers(localWorkers(config, workers, folder), async (ready) => {
    await new Training({
      ...trainingOf(ready, config),
      endOf: ({ firstStep, steps: all }) => firstStep + Math.min(all, steps),
      observer: silent,
      // When the stage is prepared, so that only a step can see it.
      restore: () => ready.group.send(workers - 1, { type: 'perturb', tensor }),
    }).run();
  });
}

const silent = {
  stage: () => {},
  step: () => {},
  evaluation: () => {},
  checkpoint: () => Promise.resolve(),
  wantsCheckpoint: false,
};

const runFolder = (folder: string, workers: number) => join(folder, String(workers));

const localWorkers = (config: Config, workers: number, logs: string) =>
  ({
    config,
    workers,
    launch: 'local',
    bind: 'tcp://127.0.0.1:*',
    logs,
    restarts: 0,
    log: () => {},
  }) as const;

const trainingOf = (ready: ReadyGroup, config: Config) => ({
  ...ready,
  config,
  firstStep: 0,
  initialize: () => giveInitialWeights(config, ready.group),
  stop: new AbortController().signal,
});
