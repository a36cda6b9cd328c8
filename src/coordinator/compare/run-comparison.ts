/** A comparison from its first run to its last: each arm with each seed, in run folders of their own. */
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { configDigest } from '../../shared/config/digest.js';
import type { Config } from '../../shared/config/schema.js';
import { resolveDataset } from '../../shared/data/resolve.js';
import { readInstallation } from '../../shared/engine/installation.js';
import { LockstepError } from '../../shared/errors.js';
import { version } from '../../shared/version.js';
import { makeEmptyFolder } from '../new-folder.js';
import type { Progress } from '../progress.js';
import { leaveComparisonReport } from '../report/end-of-run.js';
import { readRunData } from '../report/run-data.js';
import { checkWorkers, limited } from '../run.js';
import { defaultRunName, isOfOtherConfig, isOfOtherData, readRun } from '../run-folder.js';
import { machine } from '../scale/machine.js';
import type { Summary } from '../summary.js';
import { type Outcome, type TrainOptions, train } from '../train.js';
import { checkBudget, spendingOf } from './budget.js';
import { writeComparison } from './comparison.js';
import type { ComparedRun, Comparison } from './comparison-schema.js';
import { differences } from './differences.js';
import { divergedBefore } from './diverged.js';
import { type Arm, type ComparisonStudy, withSeed } from './study.js';

export interface ComparisonOptions {
  readonly study: ComparisonStudy;
  /** Local ones, of each run. */
  readonly workers: number;
  /** The comparison's folder; without it one under runs/. */
  readonly out: string | undefined;
  /** Go on with the comparison in `out`, if there is one: runs that have ended are kept, others are gone on with. */
  readonly resume: boolean;
  /** Aborted when the run is to save, and the comparison to end. */
  readonly stop: AbortSignal;
  readonly progress: Progress;
}

export interface ComparisonOutcome {
  /** `stopped` when a stop was requested before the last run ended. */
  readonly state: 'finished' | 'stopped';
  readonly folder: string;
  readonly comparison: Comparison;
  /** The runs that have ended and not diverged, under the names of their configs, in order. */
  readonly runs: readonly { readonly name: string; readonly run: string; readonly summary: Summary }[];
}

interface PlannedRun {
  readonly arm: string;
  readonly seed: number;
  readonly config: Config;
  /** From the comparison's folder. */
  readonly run: string;
}

/**
 * A run that diverges is a result, and the next one follows.
 * @throws LockstepError before anything trains if an arm can't run or their budgets differ; later what else ended a run
 */
export async function runComparison(options: ComparisonOptions): Promise<ComparisonOutcome> {
  const { study, workers, stop, progress } = options;
  for (const { config } of study.arms) checkWorkers(workers, config.batch.microBatches);
  const { blank, dataset } = await begin(study);
  const planned = study.seeds.flatMap((seed) => study.arms.map((arm) => plannedRun(arm, seed)));
  const folder = await folderOf(options, planned, dataset);
  for (const line of blank.differences) progress.note(`warning: the arms differ: ${line}`);
  const ended: ComparisonOutcome['runs'][number][] = [];
  const records = await divergedBefore(folder);
  // Also of runs whose turn is to come: whatever ends this command, what is known of them stays in comparison.json.
  const recorded = () => planned.flatMap(({ run }) => records.get(run) ?? []);
  for (const [i, { arm, seed, config, run }] of planned.entries()) {
    if (stop.aborted) break;
    progress.note(`run ${i + 1} of ${planned.length}: ${arm}, seed ${seed}`);
    const out = join(folder, run);
    const known = records.get(run)?.diverged;
    if (known !== undefined) {
      progress.note(`${arm}, seed ${seed} has diverged already, and is not trained again: ${known}`);
    } else {
      const outcome = await trainOrDiverge({
        ...{ config, workers, launch: 'local', bind: 'tcp://127.0.0.1:*', minWorkers: 1 },
        ...{ out, resume: true, stop, progress },
      });
      if (outcome.state === 'stopped') break;
      if (outcome.state === 'diverged') progress.note(`${arm}, seed ${seed} diverged: ${outcome.error.line}`);
      else ended.push({ name: config.name, run: out, summary: outcome.summary });
      records.set(run, await comparedRun(folder, { arm, seed, run }, outcome, workers));
    }
    await writeComparison(folder, { ...blank, runs: recorded() });
  }
  const runs = recorded();
  if (runs.length > 0) await leaveComparisonReport(folder, (text) => progress.note(text));
  const state = runs.length === planned.length ? 'finished' : 'stopped';
  return { state, folder, comparison: { ...blank, runs }, runs: ended };
}

/**
 * The comparison before its first run, and the digest of its images.
 * @throws LockstepError CONFIG when the arms' budgets or test images differ
 */
async function begin({
  name,
  seeds,
  budget,
  arms,
}: ComparisonStudy): Promise<{ readonly blank: Comparison; readonly dataset: string }> {
  const spent = await Promise.all(
    arms.map(async ({ name, file, set, config }) => {
      const dataset = await resolveDataset(config.data.dataset);
      const spending = spendingOf(config, limited(dataset, 'train', config.data.limit.train));
      const testImages = limited(dataset, 'test', config.data.limit.test);
      return { name, spending, testImages, data: dataset.digest, config: file, set: [...set] };
    }),
  );
  const [first, ...others] = spent;
  const elsewhere = others.find(
    ({ data, testImages }) => data !== first!.data || testImages !== first!.testImages,
  );
  if (elsewhere !== undefined) {
    throw new LockstepError(
      'CONFIG',
      `${elsewhere.name} is not evaluated on the test images that ${first!.name} is: their accuracies can't be compared.`,
      { hint: 'Give all arms the same data.dataset and data.limit.test.' },
    );
  }
  checkBudget(budget, spent);
  const blank: Comparison = {
    ...{ format: 1, kind: 'comparison', name, startedAt: new Date().toISOString() },
    commandLine: process.argv.slice(2),
    versions: { lockstep: version, node: process.version, tensorflow: readInstallation().version },
    ...{ machine: machine(), seeds: [...seeds], budget, testImages: first!.testImages },
    arms: spent.map(({ name, config, set, spending }) => ({ name, config, set, ...spending })),
    differences: differences(arms),
    runs: [],
  };
  return { blank, dataset: first!.data };
}

function plannedRun(arm: Arm, seed: number): PlannedRun {
  return { arm: arm.name, seed, config: withSeed(arm, seed), run: join(arm.name, `seed-${seed}`) };
}

/** @throws LockstepError RUN_FOLDER when something else is in it, or runs of other configs, or of other images */
async function folderOf(
  { study, out, resume }: ComparisonOptions,
  planned: readonly PlannedRun[],
  dataset: string,
): Promise<string> {
  if (resume && out === undefined) {
    throw new LockstepError('USAGE', '--resume does not know which comparison.', {
      hint: 'Give its folder with --out.',
    });
  }
  const folder = out ?? join('runs', defaultRunName(`compare-${study.name}`, new Date()));
  if (!resume) {
    await makeEmptyFolder(
      folder,
      'Choose an empty folder with --out, or go on with what is there with --resume.',
    );
    return folder;
  }
  await mkdir(folder, { recursive: true });
  for (const { arm, seed, config, run } of planned) {
    const path = join(folder, run);
    if (!existsSync(join(path, 'run.json'))) continue;
    const record = await readRun(path);
    if (isOfOtherConfig(record, configDigest(config))) {
      throw new LockstepError(
        'RUN_FOLDER',
        `${path} is no run of arm ${arm} with seed ${seed}: its config is another one.`,
        {
          hint: 'Go on with the study and the overrides that it was begun with, or choose another folder with --out.',
        },
      );
    }
    if (isOfOtherData(record, dataset)) {
      throw new LockstepError('RUN_FOLDER', `${path} was begun with other images than the arms have now.`, {
        hint: 'Import the images that the comparison was begun with, or choose another folder with --out.',
      });
    }
  }
  return folder;
}

/** A loss or a gradient of a run was no number. */
interface Divergence {
  readonly state: 'diverged';
  readonly error: LockstepError;
}

/** @throws LockstepError what else ends the run */
async function trainOrDiverge(options: TrainOptions): Promise<Outcome | Divergence> {
  try {
    return await train(options);
  } catch (error) {
    if (error instanceof LockstepError && error.code === 'NOT_FINITE') return { state: 'diverged', error };
    throw error;
  }
}

async function comparedRun(
  folder: string,
  place: Pick<ComparedRun, 'arm' | 'seed' | 'run'>,
  outcome: Divergence | { readonly state: 'finished'; readonly summary: Summary },
  /** Of a run that diverged before its first step was done. */
  workers: number,
): Promise<ComparedRun> {
  const { steps } = await readRunData(join(folder, place.run));
  const spent = {
    seconds: steps.reduce((sum, { ms }) => sum + ms.total, 0) / 1000,
    workers: steps.at(-1)?.workers ?? workers,
  };
  if (outcome.state === 'diverged') {
    return { ...place, accuracy: null, diverged: outcome.error.message, ...spent, weightsDigest: null };
  }
  const { accuracy, weightsDigest } = outcome.summary;
  return { ...place, accuracy, ...spent, weightsDigest };
}
