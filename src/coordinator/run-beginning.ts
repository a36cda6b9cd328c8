/** Where a run begins: in a new folder, or where an earlier start of it was saved. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Checkpoint, latestCheckpoint } from '../shared/checkpoint/checkpoint.js';
import { configDigest } from '../shared/config/digest.js';
import type { Config } from '../shared/config/schema.js';
import { LockstepError } from '../shared/errors.js';
import { type MetricsEvent, readMetrics } from './metrics.js';
import type { RunInputs } from './run.js';
import {
  createRunFolder,
  type RunFolder,
  type RunStart,
  readRun,
  resumeRunFolder,
  runFolderAt,
} from './run-folder.js';
import { scaledRates } from './scaled-rates.js';
import { readSummary, type Summary } from './summary.js';
import { InitialWeights } from './weights/initial-weights.js';

export interface RunBeginning {
  readonly folder: RunFolder;
  /** What the replicas start from; undefined for the weights that the seed gives. The caller closes it. */
  readonly checkpoint: Checkpoint | undefined;
  /** The file that they start from in place of the seed's weights, if there is no checkpoint yet. The caller closes it. */
  readonly initialWeights: InitialWeights | undefined;
  /** What was recorded up to there. */
  readonly events: readonly MetricsEvent[];
  /** Set when the run has ended already: there is nothing to do. */
  readonly summary: Summary | undefined;
}

interface BeginOptions {
  readonly inputs: () => Promise<Pick<RunInputs, 'dataset'>>;
  readonly warn: (message: string) => void;
}

/**
 * @param resume whether a run in `out` is to be gone on with; if there is none, a new one begins there
 * @param inputs what the run works on, or why it can't begin: called before anything is written, unless it has ended already
 * @param warn told of damaged checkpoints that were passed over
 * @throws LockstepError RUN_FOLDER or CHECKPOINT; USAGE when `resume` has no `out`; what `inputs` throws
 */
export async function beginRun(
  config: Config,
  { out, resume }: { readonly out: string | undefined; readonly resume: boolean },
  start: RunStart,
  { inputs, warn }: BeginOptions,
): Promise<RunBeginning> {
  if (resume && out === undefined) {
    throw new LockstepError('USAGE', '--resume does not know which run.', {
      hint: 'Give its folder with --out.',
    });
  }
  const digests = { configDigest: configDigest(config), datasetDigest: undefined };
  if (!resume || out === undefined || !existsSync(join(out, 'run.json'))) {
    const { name, seed } = config;
    const { dataset } = await inputs();
    const initialWeights = await InitialWeights.open(config);
    try {
      const from = initialWeights && { initialWeights: initialWeights.record };
      const scaledLearningRates = scaledRates(config);
      const scaled = scaledLearningRates.length === 0 ? {} : { scaledLearningRates };
      const origin = { ...digests, datasetDigest: dataset.digest };
      const record = { name, config, ...origin, seed, ...from, ...scaled, ...start };
      const folder = await createRunFolder(out, record);
      return { folder, checkpoint: undefined, initialWeights, events: [], summary: undefined };
    } catch (error) {
      await initialWeights?.close();
      throw error;
    }
  }
  const { summary } = runFolderAt(out);
  if (existsSync(summary)) {
    const folder = await resumeRunFolder(out, digests, start);
    const ended = await readSummary(summary);
    return { folder, checkpoint: undefined, initialWeights: undefined, events: [], summary: ended };
  }
  const { dataset } = await inputs();
  const checkpoint = await latestCheckpoint(out, ({ line }) => warn(`Passed over: ${line}`));
  let initialWeights: InitialWeights | undefined;
  try {
    if (checkpoint === undefined) {
      initialWeights = await InitialWeights.open(config);
      initialWeights?.mustBe((await readRun(out)).initialWeights);
    }
    const origin = { ...digests, datasetDigest: dataset.digest };
    const folder = await resumeRunFolder(out, origin, start, checkpoint?.manifest.step ?? 0);
    const events = existsSync(folder.metrics) ? await readMetrics(folder.metrics) : [];
    return { folder, checkpoint, initialWeights, events, summary: undefined };
  } catch (error) {
    await checkpoint?.close();
    await initialWeights?.close();
    throw error;
  }
}
