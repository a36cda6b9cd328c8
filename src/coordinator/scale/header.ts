/** What a study records of itself before anything is measured. */
import type { Config } from '../../shared/config/schema.js';
import { resolveDataset } from '../../shared/data/resolve.js';
import { readInstallation } from '../../shared/engine/installation.js';
import type { SimulatedCompute } from '../../shared/simulation/compute.js';
import type { Link } from '../../shared/simulation/link.js';
import { version } from '../../shared/version.js';
import { machine } from './machine.js';
import type { StudyPlan } from './plan.js';
import type { StudyHeader } from './study.js';

export interface HeaderOptions extends StudyPlan {
  readonly simulatedCompute?: SimulatedCompute | undefined;
  readonly simulatedLink?: Link | undefined;
  /** What forecasts assume. */
  readonly network: Link;
}

/** @param own the config of any of the study's runs: all of them train the same model */
export async function headerOf(options: HeaderOptions, own: Config): Promise<StudyHeader> {
  const { config, mode, workers, repeats, warmup, steps, simulatedCompute, simulatedLink } = options;
  return {
    ...{ format: 1, kind: 'scaling study', name: config.name, mode, workers: [...workers] },
    ...{ repeats, warmup, steps, startedAt: new Date().toISOString(), commandLine: process.argv.slice(2) },
    versions: { lockstep: version, node: process.version, tensorflow: readInstallation().version },
    machine: machine(),
    config,
    threads: config.threads,
    microBatchSize: config.batch.microBatchSize,
    reducedBytes: await reducedBytesOf(own),
    ...(simulatedCompute === undefined ? {} : { simulatedCompute }),
    ...(simulatedLink === undefined ? {} : { simulatedLink }),
    network: options.network,
  };
}

/** Training images of the config's dataset, after data.limit. */
export async function trainImagesOf({ data }: Config): Promise<number> {
  const dataset = await resolveDataset(data.dataset);
  return data.limit.train ?? dataset.split('train').count;
}

/** The model's definition comes with TensorFlow: of all commands only this one loads it in this process. */
async function reducedBytesOf(config: Config): Promise<number> {
  const { CUDA_VISIBLE_DEVICES: shown } = process.env;
  // It would take memory of the first GPU, which is a worker's.
  process.env.CUDA_VISIBLE_DEVICES = '';
  try {
    const { reducedBytes } = await import('./reduced-bytes.js');
    return reducedBytes(config);
  } finally {
    if (shown === undefined) delete process.env.CUDA_VISIBLE_DEVICES;
    else process.env.CUDA_VISIBLE_DEVICES = shown;
  }
}
