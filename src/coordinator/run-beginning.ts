/** Where a run begins: in a new folder, or where an earlier start of it was saved. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Checkpoint, latestCheckpoint } from '../shared/checkpoint/checkpoint.js';
import { configDigest } from '../shared/config/digest.js';
import type { Config } from '../shared/config/schema.js';
import { LockstepError } from '../shared/errors.js';
import { type MetricsEvent, readMetrics } from './metrics.js';
import {
  createRunFolder,
  type RunFolder,
  type RunStart,
  resumeRunFolder,
  runFolderAt,
} from './run-folder.js';
import { scaledRates } from './scaled-rates.js';
import { readSummary, type Summary } from './summary.js';

export interface RunBeginning {
  readonly folder: RunFolder;
  /** What the replicas start from; undefined for the weights that the seed gives. The caller closes it. */
  readonly checkpoint: Checkpoint | undefined;
  /** What was recorded up to there. */
  readonly events: readonly MetricsEvent[];
  /** Set when the run has ended already: there is nothing to do. */
  readonly summary: Summary | undefined;
}

/**
 * @param resume whether a run in `out` is to be gone on with; if there is none, a new one begins there
 * @param warn told of damaged checkpoints that were passed over
 * @throws LockstepError RUN_FOLDER or CHECKPOINT; USAGE when `resume` has no `out`
 */
export async function beginRun(
  config: Config,
  { out, resume }: { readonly out: string | undefined; readonly resume: boolean },
  start: RunStart,
  warn: (message: string) => void,
): Promise<RunBeginning> {
  if (resume && out === undefined) {
    throw new LockstepError('USAGE', '--resume does not know which run.', {
      hint: 'Give its folder with --out.',
    });
  }
  const digest = configDigest(config);
  if (!resume || out === undefined || !existsSync(join(out, 'run.json'))) {
    const { name, seed } = config;
    const scaledLearningRates = scaledRates(config);
    const folder = await createRunFolder(out, {
      ...{ name, config, configDigest: digest, seed, ...start },
      ...(scaledLearningRates.length === 0 ? {} : { scaledLearningRates }),
    });
    return { folder, checkpoint: undefined, events: [], summary: undefined };
  }
  const { summary } = runFolderAt(out);
  if (existsSync(summary)) {
    const folder = await resumeRunFolder(out, digest, start);
    return { folder, checkpoint: undefined, events: [], summary: await readSummary(summary) };
  }
  const checkpoint = await latestCheckpoint(out, ({ line }) => warn(`Passed over: ${line}`));
  try {
    const folder = await resumeRunFolder(out, digest, start, checkpoint?.manifest.step ?? 0);
    const events = existsSync(folder.metrics) ? await readMetrics(folder.metrics) : [];
    return { folder, checkpoint, events, summary: undefined };
  } catch (error) {
    await checkpoint?.close();
    throw error;
  }
}
