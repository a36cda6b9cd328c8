/** A scaling study from its first run to its last; study.json is written after each, so nothing measured is lost. */

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '../../shared/config/schema.js';
import { resolveDataset } from '../../shared/data/resolve.js';
import { readInstallation } from '../../shared/engine/installation.js';
import { LockstepError } from '../../shared/errors.js';
import type { SimulatedCompute } from '../../shared/simulation/compute.js';
import type { Link } from '../../shared/simulation/link.js';
import { version } from '../../shared/version.js';
import { makeEmptyFolder } from '../new-folder.js';
import { loadOfOthers, machine } from './machine.js';
import { measure } from './measure.js';
import { configFor, interleaved, type StudyPlan } from './plan.js';
import { type Study, type StudyRun, writeStudy } from './study.js';

export interface StudyOptions extends StudyPlan {
  /** Where study.json and logs go: a new folder, or an empty one. */
  readonly folder: string;
  readonly simulatedCompute?: SimulatedCompute | undefined;
  readonly simulatedLink?: Link | undefined;
  /** What forecasts assume. */
  readonly network: Link;
  readonly stop: AbortSignal;
  readonly note: (text: string) => void;
}

const loadMs = 1000;

/** @throws LockstepError before anything runs if a number of workers can't run; later what ended a run. */
export async function runStudy(options: StudyOptions): Promise<Study> {
  const { config, mode, workers, repeats, warmup, steps, folder, simulatedCompute, simulatedLink } = options;
  const dataset = await resolveDataset(config.data.dataset);
  const images = config.data.limit.train ?? dataset.split('train').count;
  const configs = new Map(workers.map((count) => [count, configFor(options, count, images)]));
  await makeEmptyFolder(folder);
  const study: Omit<Study, 'runs'> = {
    ...{ format: 1, kind: 'scaling study', name: config.name, mode, workers: [...workers] },
    ...{ repeats, warmup, steps, startedAt: new Date().toISOString(), commandLine: process.argv.slice(2) },
    versions: { lockstep: version, node: process.version, tensorflow: readInstallation().version },
    machine: machine(),
    config,
    threads: config.threads,
    microBatchSize: config.batch.microBatchSize,
    reducedBytes: await reducedBytesOf(configs.get(workers[0]!)!),
    ...(simulatedCompute === undefined ? {} : { simulatedCompute }),
    ...(simulatedLink === undefined ? {} : { simulatedLink }),
    network: options.network,
  };
  const runs: StudyRun[] = [];
  const order = interleaved(workers, repeats);
  for (const [i, { workers: count, repeat }] of order.entries()) {
    const own = configs.get(count)!;
    const othersLoad = await loadOfOthers(loadMs);
    const startedAt = new Date().toISOString();
    const began = performance.now();
    const logs = join(folder, 'logs', `${repeat + 1}-${count}`);
    await mkdir(logs, { recursive: true });
    const measured = await measure({ ...options, config: own, workers: count, logs, log: () => {} });
    // One that was stopped has fewer steps than the others: it is left out.
    if (options.stop.aborted) break;
    const { microBatches, microBatchSize } = own.batch;
    const globalBatch = microBatches * microBatchSize;
    const seconds = (performance.now() - began) / 1000;
    runs.push({
      workers: count,
      repeat,
      microBatches,
      globalBatch,
      startedAt,
      seconds,
      othersLoad,
      steps: measured,
    });
    await writeStudy(folder, { ...study, runs });
    const ms = measured.reduce((sum, step) => sum + step.ms, 0) / measured.length;
    options.note(
      `${i + 1}/${order.length}: ${count} ${count === 1 ? 'worker' : 'workers'}, ${((globalBatch / ms) * 1000).toFixed(1)} images/s, ${ms.toFixed(1)} ms a step`,
    );
  }
  if (runs.length === 0)
    throw new LockstepError('INTERRUPTED', 'The study was stopped before its first run ended.');
  return { ...study, runs };
}

/** The model's definition comes with TensorFlow: of all commands only this one loads it in this process. */
async function reducedBytesOf(config: Config): Promise<number> {
  const { reducedBytes } = await import('./reduced-bytes.js');
  return reducedBytes(config);
}
