/** Where samples come from, as those see it who use them. */
import type { AugmentOptions } from '../augment/crop.js';
import type { SplitName } from './cifar.js';

export type Split = SplitName;

/** Images uint8 [n,32,32,3] and labels uint8 [n]. */
export interface FetchedSamples {
  readonly images: Uint8Array;
  readonly labels: Uint8Array;
}

export type Fetch = (split: Split, ids: readonly number[]) => Promise<FetchedSamples>;

export interface SampleSource {
  /** Makes these samples available. May be called again before it has ended. */
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
