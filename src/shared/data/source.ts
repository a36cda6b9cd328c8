/** Where a worker's samples come from: the packed dataset on its host, or the coordinator. */

import { type AugmentOptions, copyImage } from '../augment/crop.js';
import type { Config } from '../config/schema.js';
import { LockstepError } from '../errors.js';
import { imageBytes } from './cifar.js';
import type { Dataset } from './dataset.js';
import { RemoteSource } from './remote-source.js';
import { resolveDataset } from './resolve.js';
import type { Fetch, FetchedSamples, SampleSource, Split } from './sample-source.js';

/** What identifies the data of a run. */
export interface DatasetIdentity {
  readonly digest: string;
  /** Images in use, after `data.limit`. */
  readonly train: number;
  readonly test: number;
}

/** The host's own copy where it has the run's data, by digest; else the coordinator's, sample by sample. */
export async function openSource(
  data: Config['data'],
  identity: DatasetIdentity,
  fetch: Fetch,
  log: (message: string) => void,
): Promise<SampleSource> {
  let dataset: Dataset | undefined;
  try {
    dataset = await resolveDataset(data.dataset);
  } catch (error) {
    if (!(error instanceof LockstepError)) throw error;
    log(`samples come from the coordinator: ${error.message}`);
  }
  if (dataset !== undefined) {
    if (dataset.digest === identity.digest) return new LocalSource(dataset);
    log(`the copy of '${data.dataset}' on this host is another one: samples come from the coordinator`);
  }
  return new RemoteSource(fetch);
}

/**
 * The samples of these ids, one after the other.
 *
 * @throws LockstepError DATA for an id that the split does not have
 */
export function gather(dataset: Dataset, split: Split, ids: readonly number[]): FetchedSamples {
  const from = dataset.split(split);
  const images = new Uint8Array(ids.length * imageBytes);
  const labels = new Uint8Array(ids.length);
  for (const [i, id] of ids.entries()) {
    checkId(split, id, from.count);
    images.set(from.images.subarray(id * imageBytes, (id + 1) * imageBytes), i * imageBytes);
    labels[i] = from.labels[id]!;
  }
  return { images, labels };
}

export class LocalSource implements SampleSource {
  constructor(private readonly dataset: Dataset) {}

  prepare(): Promise<void> {
    return Promise.resolve();
  }

  fill(
    split: Split,
    ids: Int32Array,
    images: Uint8Array,
    labels: Int32Array,
    augment: AugmentOptions | null,
  ): void {
    const from = this.dataset.split(split);
    for (const [i, id] of ids.entries()) {
      checkId(split, id, from.count);
      copyImage(from.images.subarray(id * imageBytes, (id + 1) * imageBytes), id, i, images, augment);
      labels[i] = from.labels[id]!;
    }
  }
}

function checkId(split: Split, id: number, count: number): void {
  if (!Number.isInteger(id) || id < 0 || id >= count) {
    throw new LockstepError('DATA', `There is no ${split} sample ${id}: ids are 0 to ${count - 1}.`);
  }
}
