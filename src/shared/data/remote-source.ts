/** Samples for a worker whose host has no copy of the data: asked for by id, kept, so that each travels once. */

import { type AugmentOptions, copyImage } from '../augment/crop.js';
import { LockstepError } from '../errors.js';
import { maxSamples } from '../protocol/messages.js';
import { imageBytes } from './cifar.js';
import type { Fetch, SampleSource, Split } from './sample-source.js';

interface Sample {
  readonly image: Uint8Array;
  readonly label: number;
}

export class RemoteSource implements SampleSource {
  readonly #held = { train: new Map<number, Sample>(), test: new Map<number, Sample>() };
  /** Ends when all requests so far have been answered. */
  #last: Promise<void> = Promise.resolve();

  constructor(private readonly fetch: Fetch) {}

  /**
   * One request at a time: answers then need no id of their own, and what a request before this one brings is not
   * asked for again.
   */
  prepare(split: Split, ids: Int32Array): Promise<void> {
    const turn = this.#last.then(() => this.#fetchMissing(split, ids));
    this.#last = turn.catch(() => {});
    return turn;
  }

  fill(
    split: Split,
    ids: Int32Array,
    images: Uint8Array,
    labels: Int32Array,
    augment: AugmentOptions | null,
  ): void {
    for (const [i, id] of ids.entries()) {
      const sample = this.#held[split].get(id);
      if (sample === undefined) {
        throw new LockstepError(
          'DATA',
          `Sample ${id} of ${split} was to be filled in before it was prepared.`,
        );
      }
      copyImage(sample.image, id, i, images, augment);
      labels[i] = sample.label;
    }
  }

  async #fetchMissing(split: Split, ids: Int32Array): Promise<void> {
    const held = this.#held[split];
    const missing = [...new Set(ids)].filter((id) => !held.has(id));
    for (let at = 0; at < missing.length; at += maxSamples) {
      const asked = missing.slice(at, at + maxSamples);
      const { images, labels } = await this.fetch(split, asked);
      if (images.length !== asked.length * imageBytes || labels.length !== asked.length) {
        throw new LockstepError(
          'DATA',
          `${asked.length} samples of ${split} were asked for; ${images.length} bytes of images and ${labels.length} labels came.`,
        );
      }
      // A copy: what came may be a view of a message that is used again.
      const kept = images.slice();
      for (const [i, id] of asked.entries()) {
        held.set(id, { image: kept.subarray(i * imageBytes, (i + 1) * imageBytes), label: labels[i]! });
      }
    }
  }
}
