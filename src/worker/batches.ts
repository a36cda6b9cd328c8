/** Micro-batches of training steps: which samples, how augmented, all a function of the config and the position. */
import { viewsOf } from '../shared/config/objectives.js';
import type { Config } from '../shared/config/schema.js';
import type { SampleSource } from '../shared/data/source.js';
import { elementCount } from '../shared/engine/dtype.js';
import { imageShape } from '../shared/model/model.js';
import type { Range } from '../shared/plan/range.js';
import { Sampler } from '../shared/plan/sampler.js';
import type { Timeline } from '../shared/plan/timeline.js';
import { hash32 } from '../shared/random/keyed.js';
import type { MicroBatch } from './step.js';

export class Batches {
  readonly #sampler: Sampler;
  /** The next step's micro-batches, filled while this one computes. */
  readonly #ahead = new Map<string, MicroBatch>();

  constructor(
    private readonly config: Config,
    private readonly timeline: Timeline,
    private readonly source: SampleSource,
    datasetSize: number,
  ) {
    this.#sampler = new Sampler({ seed: config.seed, ...config.batch, datasetSize });
  }

  /** Brings all samples of a step's range to this host; at once where they are here already. */
  async prepare(step: number, range: Range): Promise<void> {
    for (let k = range.lo; k < range.hi; k += 1) await this.source.prepare('train', this.#ids(step, k));
  }

  /** Micro-batch k of a step that was prepared. */
  take(step: number, k: number): MicroBatch {
    const key = `${step}/${k}`;
    const batch = this.#ahead.get(key) ?? this.#fill(step, k);
    this.#ahead.delete(key);
    return batch;
  }

  /** Fills the micro-batches of a later step. Whatever else was filled is dropped. */
  async lookAhead(step: number, range: Range): Promise<void> {
    this.#ahead.clear();
    if (step >= this.timeline.totalSteps) return;
    await this.prepare(step, range);
    for (let k = range.lo; k < range.hi; k += 1) this.#ahead.set(`${step}/${k}`, this.#fill(step, k));
  }

  #ids(step: number, k: number): Int32Array {
    const { globalEpoch, stepInEpoch } = this.timeline.position(step);
    return this.#sampler.microBatch(globalEpoch, stepInEpoch, k);
  }

  #fill(step: number, k: number): MicroBatch {
    const { seed, data } = this.config;
    const ids = this.#ids(step, k);
    const { globalEpoch: epoch, stage } = this.timeline.position(step);
    const views = viewsOf(stage.config);
    const labels = new Int32Array(views * ids.length);
    const images = new Uint8Array(labels.length * elementCount(imageShape));
    // One view after the other, as plan/views.ts says.
    for (let view = 0; view < views; view += 1) {
      const from = view * ids.length;
      this.source.fill(
        'train',
        ids,
        images.subarray(from * elementCount(imageShape)),
        labels.subarray(from),
        { ...data.augment, seed, epoch, view },
      );
    }
    const dropoutSeed = Int32Array.of(
      hash32(seed, 'dropout', step, k, 0),
      hash32(seed, 'dropout', step, k, 1),
    );
    return { images, labels, dropoutSeed };
  }
}
