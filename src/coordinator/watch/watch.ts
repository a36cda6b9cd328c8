/** Follows a run from its folder alone, so from any host that shares it, until it has ended. */
import { existsSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import { listCheckpoints } from '../../shared/checkpoint/checkpoint.js';
import { parseConfig } from '../../shared/config/parse.js';
import type { Config } from '../../shared/config/schema.js';
import { resolveDataset } from '../../shared/data/resolve.js';
import type { MetricsEvent } from '../metrics.js';
import { readRun, runFolderAt } from '../run-folder.js';
import { readSummary, type Summary } from '../summary.js';
import { MetricsTail } from './metrics-tail.js';
import { RunHistory, type RunState } from './run-state.js';

export interface WatchedRun extends RunState {
  /** The run folder. */
  readonly run: string;
  readonly name: string;
  /** A run that was stopped or lost looks like one that trains: `updated` tells. */
  readonly state: 'waiting' | 'training' | 'finished';
  /** When the last event was written, ISO 8601. */
  readonly updated: string | null;
  /** The step of the newest checkpoint. */
  readonly checkpoint: number | null;
  readonly summary: Summary | null;
}

/** Shows a run; `events` are new, and `restarted` if they replace all that were shown before. */
export interface View {
  show(run: WatchedRun, events: readonly MetricsEvent[], restarted: boolean): void;
}

export interface WatchOptions {
  /** The run folder. */
  readonly run: string;
  /** Look once, whether it has ended or not. */
  readonly once: boolean;
  readonly view: View;
  /** Until it is time to look again. */
  readonly wait: () => Promise<void>;
  /** Milliseconds that only grow. */
  readonly now: () => number;
}

/** @throws LockstepError RUN_FOLDER when there is no run, or its files are damaged */
export async function watch({ run, once, view, wait, now }: WatchOptions): Promise<WatchedRun> {
  const { name, config: recorded } = await readRun(run);
  const config = parseConfig(recorded, `${run}/run.json`);
  const images = await trainImages(config);
  const folder = runFolderAt(run);
  const tail = new MetricsTail(folder.metrics);
  let history = new RunHistory(config, images);
  let heard: number | undefined;
  for (;;) {
    // In this order: when the summary is there, so are all events.
    const summary = existsSync(folder.summary) ? await readSummary(folder.summary) : null;
    const { events, restarted } = await tail.read();
    if (restarted) history = new RunHistory(config, images);
    const time = now();
    history.add(events, heard === undefined || restarted ? 0 : time - heard);
    if (events.length > 0) heard = time;
    const { state } = history;
    const newest = (await listCheckpoints(run)).at(-1);
    const watched: WatchedRun = {
      run,
      name,
      state: summary !== null ? 'finished' : state.step === 0 ? 'waiting' : 'training',
      ...state,
      updated: modified(folder.metrics),
      checkpoint: newest === undefined ? null : Number(basename(newest)),
      summary,
    };
    view.show(watched, events, restarted);
    if (once || summary !== null) return watched;
    await wait();
  }
}

/** How many images an epoch draws from, if that can be told without the run's own host. */
async function trainImages({ data: { dataset, limit } }: Config): Promise<number | undefined> {
  if (limit.train !== undefined) return limit.train;
  try {
    return (await resolveDataset(dataset)).manifest.splits.train.count;
  } catch {
    return undefined;
  }
}

function modified(path: string): string | null {
  return statSync(path, { throwIfNoEntry: false })?.mtime.toISOString() ?? null;
}
