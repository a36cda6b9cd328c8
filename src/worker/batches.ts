/** Micro-batches of training steps: which samples, how augmented, all a function of the config and the position. */
import { setImmediate as turn } from 'node:timers/promises';
import { viewsOf } from '../shared/config/objectives.js';
import { type Config, stageAugment } from '../shared/config/schema.js';
import type { SampleSource } from '../shared/data/sample-source.js';
import type { Range } from '../shared/plan/range.js';
import { Sampler } from '../shared/plan/sampler.js';
import type { Timeline } from '../shared/plan/timeline.js';
import { hash32 } from '../shared/random/keyed.js';
import type { FeatureCache } from './feature-cache.js';
import type { MicroBatch } from './micro-batch.js';
import { fillViews } from './views.js';

export class Batches {
  readonly #sampler: Sampler;
  /** The next step's micro-batches, filled while this one computes. */
  readonly #ahead = new Map<string, MicroBatch>();
  #cache: FeatureCache | undefined;

  constructor(
    private readonly config: Config,
    private readonly timeline: Timeline,
    private readonly source: SampleSource,
    datasetSize: number,
  ) {
    this.#sampler = new Sampler({ seed: config.seed, ...config.batch, datasetSize });
  }

  /** From now on features come from this cache, or images if there is none. */
  from(cache: FeatureCache | undefined): void {
    this.#cache = cache;
    this.#ahead.clear();
  }

  /** Brings all samples of a step's range to this host; at once where they are here already. */
  async prepare(step: number, range: Range): Promise<void> {
    if (this.#cache !== undefined) return;
    for (let k = range.lo; k < range.hi; k += 1) await this.source.prepare('train', this.#ids(step, k));
  }

  /** Micro-batch k of a step that was prepared. */
  take(step: number, k: number): MicroBatch {
    const key = `${step}/${k}`;
    const batch = this.#ahead.get(key) ?? this.#fill(step, k);
    this.#ahead.delete(key);
    return batch;
  }

  /** Fills the micro-batches of a later step, one a turn of the event loop. Whatever else was filled is dropped. */
  async lookAhead(step: number, range: Range): Promise<void> {
    this.#ahead.clear();
    if (step >= this.timeline.totalSteps) return;
    await this.prepare(step, range);
    for (let k = range.lo; k < range.hi; k += 1) {
      // So that a run that is in flight is served meanwhile.
      await turn();
      this.#ahead.set(`${step}/${k}`, this.#fill(step, k));
    }
  }

  #ids(step: number, k: number): Int32Array {
    const { globalEpoch, stepInEpoch } = this.timeline.position(step);
    return this.#sampler.microBatch(globalEpoch, stepInEpoch, k);
  }

  #fill(step: number, k: number): MicroBatch {
    const { seed } = this.config;
    const ids = this.#ids(step, k);
    const dropoutSeed = Int32Array.of(
      hash32(seed, 'dropout', step, k, 0),
      hash32(seed, 'dropout', step, k, 1),
    );
    if (this.#cache !== undefined) {
      return { images: new Uint8Array(0), ...this.#cache.rows(ids), dropoutSeed };
    }
    const { globalEpoch: epoch, stage } = this.timeline.position(step);
    const augment = stageAugment(this.config, stage.config);
    const views = viewsOf(stage.config);
    return { ...fillViews(this.source, ids, { seed, epoch, views, augment }), dropoutSeed };
  }
}
