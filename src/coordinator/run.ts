/** A whole run: dataset, workers, training, run folder, summary. Whatever ends it, no process and no socket is left. */
import type { Config } from '../shared/config/schema.js';
import type { Dataset } from '../shared/data/dataset.js';
import { resolveDataset } from '../shared/data/resolve.js';
import { gather } from '../shared/data/source.js';
import { checkPrecision } from '../shared/engine/session-config.js';
import { LockstepError } from '../shared/errors.js';
import { Timeline } from '../shared/plan/timeline.js';
import { type Join, newKeyPair, removeJoinFile, writeJoinFile } from '../shared/security/join.js';
import type { Protection } from '../shared/security/socket-options.js';
import { isLoopback, parseEndpoint, reachable } from '../shared/transport/address.js';
import { deviceFor } from './gpus.js';
import { LocalWorkers } from './local-workers.js';
import { WorkerGroup, type WorkerGroupOptions } from './worker-group.js';

export interface GroupOptions {
  readonly config: Config;
  readonly workers: number;
  /** `local` starts the workers on this host; `remote` waits for workers that are started by hand. */
  readonly launch: 'local' | 'remote';
  /** Where the control socket listens. */
  readonly bind: string;
  /** The name or address that workers on other hosts reach this one at. By default the bound one. */
  readonly advertise?: string | undefined;
  /** Where what workers need to join is written; it is removed when the run ends. Without it only launched ones can. */
  readonly joinFile?: string;
  /** Where local workers' logs go. */
  readonly logs: string;
  /** How often in all local workers that end are started again. */
  readonly restarts: number;
  /** What local workers find in their environment beside this process's own. */
  readonly environment?: NodeJS.ProcessEnv;
  /** Where each rank finds its peers, if that is not where they listen: see `WorkerGroupOptions`. */
  readonly route?: WorkerGroupOptions['route'];
  readonly log: (message: string) => void;
}

/** Connected workers that wait for work, and the data that they work on. */
export interface ReadyGroup {
  readonly group: WorkerGroup;
  readonly dataset: Dataset;
  readonly timeline: Timeline;
  /** In use, after `data.limit`: the first ones. */
  readonly trainImages: number;
  readonly testImages: number;
  /** Whether another worker may still come. */
  readonly mayCome: () => boolean;
  /** Aborted when a worker has passed on that the run is to end. */
  readonly signalled: AbortSignal;
}

export type RunInputs = Pick<ReadyGroup, 'dataset' | 'timeline' | 'trainImages' | 'testImages'>;

/**
 * What a run works on, after all checks that need no worker.
 *
 * @throws LockstepError USAGE, ENGINE, DATA or CONFIG: why it can't begin
 */
export async function runInputs({
  config,
  workers,
  launch,
}: Pick<GroupOptions, 'config' | 'workers' | 'launch'>): Promise<RunInputs> {
  checkWorkers(workers, config.batch.microBatches);
  // Workers on other hosts may have another engine, and say so themselves.
  if (launch === 'local') checkPrecision({ precision: config.precision, device: deviceFor(workers) });
  const dataset = await resolveDataset(config.data.dataset);
  const trainImages = limited(dataset, 'train', config.data.limit.train);
  const testImages = limited(dataset, 'test', config.data.limit.test);
  return { dataset, timeline: new Timeline(config, trainImages), trainImages, testImages };
}

/**
 * Forms a group of workers, runs `work` with it, and ends it.
 * @throws LockstepError what `work` throws, or why no group came to be; all workers have been told.
 */
export async function withWorkers<T>(
  options: GroupOptions,
  work: (ready: ReadyGroup) => Promise<T>,
): Promise<T> {
  const { config, log, launch, workers, logs } = options;
  const { dataset, timeline, trainImages, testImages } = await runInputs(options);
  let local: LocalWorkers | undefined;
  const { bind, joinFile } = options;
  const protection = protectionOf(config.exchange.encryption, bind);
  const key = newKeyPair();
  const signalled = new AbortController();
  const group = await WorkerGroup.bind({
    bind,
    protection,
    key,
    heartbeatMs: config.deadlines.heartbeatSeconds * 1000,
    log,
    route: options.route,
    welcome: { config, dataset: { digest: dataset.digest, train: trainImages, test: testImages } },
    // One that is stopped or stuck holds its memory and its GPU: the others have gone on without it.
    lost: ({ slot }) => slot !== null && local?.kill(slot),
    signalled: (worker, signal) => {
      if (!signalled.signal.aborted) log(`${worker.name} got ${signal}: the run is to end`);
      signalled.abort();
    },
    samples: ({ split, ids }) => {
      const { images, labels } = gather(dataset, split, ids);
      return [images, labels];
    },
  });
  try {
    const endpoint = reachable(group.endpoint, options.advertise);
    const join: Join = { endpoint, coordinatorKey: key.publicKey, ...protection };
    if (joinFile !== undefined) await writeJoinFile(joinFile, join);
    log(`coordinator listens at ${endpoint}, ${protection.encrypted ? 'encrypted' : 'not encrypted'}`);
    if (launch === 'local') {
      local = LocalWorkers.launch({
        count: workers,
        threads: config.threads,
        join,
        logs,
        restarts: options.restarts,
        environment: options.environment,
        onExit: (slot, how, byItself) => {
          const line = `${how} (see ${logs}/worker-${slot}.log)`;
          // What it said may still be on its way, and says more.
          if (byItself) setTimeout(() => group.exited(slot, line), newsMs).unref();
          else group.exited(slot, line);
        },
      });
    }
    await formFirst(group, options);
    const mayCome = () =>
      local === undefined ||
      local.starting > 0 ||
      local.running > group.survivors.length + group.spares.length;
    const images = { trainImages, testImages };
    const result = await work({
      ...{ group, dataset, timeline, ...images, mayCome },
      signalled: signalled.signal,
    });
    await group.stop(null);
    return result;
  } catch (error) {
    await group.stop(error instanceof LockstepError ? error.line : String(error));
    throw error;
  } finally {
    if (joinFile !== undefined) removeJoinFile(joinFile);
    await local?.end(endMs);
    await group.close();
  }
}

/** A new token for this run, and whether its sockets are encrypted. */
function protectionOf(encryption: Config['exchange']['encryption'], bind: string): Protection {
  const exposed = !isLoopback(parseEndpoint(bind).host);
  return { encrypted: encryption === 'always' || (encryption === 'auto' && exposed), token: newKeyPair() };
}

/** How long a worker's last message may take after its process has ended. */
const newsMs = 500;

/** How long local workers may take to end by themselves. */
const endMs = 4000;

/** The first generation: launched workers by their place, others as they came. */
async function formFirst(group: WorkerGroup, { config, workers }: GroupOptions): Promise<void> {
  const { connectSeconds, prepareSeconds } = config.deadlines;
  await group.registered(workers, connectSeconds * 1000);
  await group.waitFor(workers, prepareSeconds * 1000);
  const bySlot = [...group.spares].sort((a, b) => (a.slot ?? workers) - (b.slot ?? workers));
  await group.form(bySlot.slice(0, workers), connectSeconds * 1000);
}

/** @throws LockstepError USAGE when there are more workers than micro-batches */
export function checkWorkers(workers: number, microBatches: number): void {
  if (workers <= microBatches) return;
  throw new LockstepError('USAGE', `${workers} workers can't share ${microBatches} micro-batches.`, {
    hint: `Start at most ${microBatches} workers, or raise batch.microBatches.`,
  });
}

/** Images in use of a split. @throws LockstepError CONFIG when data.limit asks for more than there are */
export function limited(dataset: Dataset, split: 'train' | 'test', limit: number | undefined): number {
  const { count } = dataset.split(split);
  if (limit !== undefined && limit > count) {
    throw new LockstepError(
      'CONFIG',
      `data.limit.${split} is ${limit}, but the dataset has ${count} images.`,
    );
  }
  return limit ?? count;
}
