/** Where a worker's samples come from: the packed dataset on its host, or the coordinator. */
import type { Config } from '../config/schema.js';
import type { LockstepError } from '../errors.js';
import { type AugmentOptions, augmentInto } from './augment.js';
import { imageBytes, type SplitName } from './cifar.js';
import type { Dataset } from './dataset.js';
import { resolveDataset } from './resolve.js';

export type Split = SplitName;

/** What identifies the data of a run. */
export interface DatasetIdentity {
  readonly digest: string;
  /** Images in use, after `data.limit`. */
  readonly train: number;
  readonly test: number;
}

/** Images uint8 [n,32,32,3] and labels uint8 [n]. */
export interface FetchedSamples {
  readonly images: Uint8Array;
  readonly labels: Uint8Array;
}

export type Fetch = (split: Split, ids: readonly number[]) => Promise<FetchedSamples>;

export interface SampleSource {
  /** Makes these samples available. */
  prepare(split: Split, ids: Int32Array): Promise<void>;
  /** Copies prepared samples to `images` [n,32,32,3] and `labels` [n], augmented unless `augment` is null. */
  fill(
    split: Split,
    ids: Int32Array,
    images: Uint8Array,
    labels: Int32Array,
    augment: AugmentOptions | null,
  ): void;
}

/** The host's own copy where it has the run's data, by digest; else the coordinator's, sample by sample. */
export async function openSource(
  data: Config['data'],
  identity: DatasetIdentity,
  fetch: Fetch,
  log: (message: string) => void,
): Promise<SampleSource> {
  try {
    const dataset = await resolveDataset(data.dataset);
    if (dataset.digest === identity.digest) return new LocalSource(dataset);
    log(`the copy of '${data.dataset}' on this host is another one: samples come from the coordinator`);
  } catch (error) {
    log(`samples come from the coordinator: ${(error as LockstepError).message}`);
  }
  return new RemoteSource(fetch);
}

/** The samples of these ids, one after the other. */
export function gather(dataset: Dataset, split: Split, ids: readonly number[]): FetchedSamples {
  const from = dataset.split(split);
  const images = new Uint8Array(ids.length * imageBytes);
  for (const [i, id] of ids.entries()) {
    images.set(from.images.subarray(id * imageBytes, (id + 1) * imageBytes), i * imageBytes);
  }
  return { images, labels: Uint8Array.from(ids, (id) => from.labels[id]!) };
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
      copyImage(from.images.subarray(id * imageBytes, (id + 1) * imageBytes), id, i, images, augment);
      labels[i] = from.labels[id]!;
    }
  }
}

/** Keeps what it fetched, so that every sample travels once. */
export class RemoteSource implements SampleSource {
  readonly #held = { train: new Map<number, Sample>(), test: new Map<number, Sample>() };

  constructor(private readonly fetch: Fetch) {}

  async prepare(split: Split, ids: Int32Array): Promise<void> {
    const held = this.#held[split];
    const missing = [...new Set(ids)].filter((id) => !held.has(id));
    for (let at = 0; at < missing.length; at += chunk) {
      const asked = missing.slice(at, at + chunk);
      const { images, labels } = await this.fetch(split, asked);
      for (const [i, id] of asked.entries()) {
        held.set(id, { image: images.slice(i * imageBytes, (i + 1) * imageBytes), label: labels[i]! });
      }
    }
  }

  fill(
    split: Split,
    ids: Int32Array,
    images: Uint8Array,
    labels: Int32Array,
    augment: AugmentOptions | null,
  ): void {
    for (const [i, id] of ids.entries()) {
      const { image, label } = this.#held[split].get(id)!;
      copyImage(image, id, i, images, augment);
      labels[i] = label;
    }
  }
}

interface Sample {
  readonly image: Uint8Array;
  readonly label: number;
}

/** Samples of one request: about 3 MB. */
const chunk = 1024;

function copyImage(
  image: Uint8Array,
  id: number,
  position: number,
  images: Uint8Array,
  augment: AugmentOptions | null,
): void {
  const out = images.subarray(position * imageBytes, (position + 1) * imageBytes);
  if (augment === null) out.set(image);
  else augmentInto(image, out, id, augment);
}
