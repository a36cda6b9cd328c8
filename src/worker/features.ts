/** A worker's share of the test images' features: whole batches, the last one padded and cut. */
import type { Config } from '../shared/config/schema.js';
import type { SampleSource } from '../shared/data/source.js';
import type { TracedFunction } from '../shared/engine/traced-function.js';
import type { Range } from '../shared/plan/range.js';
import { traceFeatures } from './functions/features.js';
import type { Replica } from './replica.js';
import { testBatch } from './test-batch.js';

export class Features {
  readonly #size: number;
  readonly #traced: TracedFunction;

  constructor(
    replica: Replica,
    config: Config,
    private readonly source: SampleSource,
    /** Test images. */
    private readonly count: number,
  ) {
    this.#size = config.evaluate.batchSize;
    this.#traced = traceFeatures(replica, 'features', { count: this.#size, model: config.model });
  }

  /** Of batches `lo` … `hi`−1: a copy of each one's rows, float32 [rows,f]. */
  async run({ lo, hi }: Range): Promise<Uint8Array[]> {
    const batches: Uint8Array[] = [];
    for (let batch = lo; batch < hi; batch += 1) {
      const { images, real } = await testBatch(this.source, batch, this.#size, this.count);
      const { features } = await this.#traced.run({ images });
      const rows = features!.floats.slice(0, real * features!.shape[1]!);
      features!.free();
      batches.push(new Uint8Array(rows.buffer));
    }
    return batches;
  }
}
