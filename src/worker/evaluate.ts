/** A worker's share of an evaluation: whole batches, the last one padded and masked, so that any tail is exact. */
import type { Config } from '../shared/config/schema.js';
import type { SampleSource } from '../shared/data/source.js';
import type { TracedFunction } from '../shared/engine/traced-function.js';
import type { Range } from '../shared/plan/range.js';
import type { EvaluationSums } from '../shared/protocol/messages.js';
import { traceEvaluation } from './functions/evaluation.js';
import { traceFeatures } from './functions/features.js';
import type { Replica } from './replica.js';
import { testBatch } from './test-batch.js';

/** A batch as the encoder gives it. */
interface Encoded {
  /** float32 [size,f] */
  readonly features: Float32Array;
  /** int32 [size] */
  readonly labels: Int32Array;
  /** The first rows are test images. */
  readonly real: number;
}

export class Evaluation {
  readonly #encode: TracedFunction;
  readonly #classify: TracedFunction;
  readonly #size: number;
  readonly #kept = new Map<number, Encoded>();

  constructor(
    replica: Replica,
    config: Config,
    private readonly source: SampleSource,
    /** Test images. */
    private readonly count: number,
  ) {
    this.#size = config.evaluate.batchSize;
    this.#encode = traceFeatures(replica, 'evaluate: features', { count: this.#size, model: config.model });
    this.#classify = traceEvaluation(replica, 'evaluate', this.#size);
  }

  /**
   * The sums of batches `lo` … `hi`−1; batch b holds test images b·size … .
   * @param keep whether the encoder stays as it is: its features are then kept for the next time, until `forget`
   */
  async run({ lo, hi }: Range, keep: boolean): Promise<EvaluationSums[]> {
    const sums: EvaluationSums[] = [];
    for (let batch = lo; batch < hi; batch += 1) {
      const encoded = this.#kept.get(batch) ?? (await this.#encoded(batch));
      if (keep) this.#kept.set(batch, encoded);
      sums.push(await this.#judge(batch, encoded));
    }
    return sums;
  }

  /** The encoder has changed. */
  forget(): void {
    this.#kept.clear();
  }

  async #encoded(batch: number): Promise<Encoded> {
    const { images, labels, real } = await testBatch(this.source, batch, this.#size, this.count);
    const { features } = await this.#encode.run({ images });
    try {
      return { features: features!.floats.slice(), labels, real };
    } finally {
      features!.free();
    }
  }

  async #judge(batch: number, { features, labels, real }: Encoded): Promise<EvaluationSums> {
    // What pads the batch is taken out of every sum.
    const mask = Float32Array.from({ length: this.#size }, (_, i) => (i < real ? 1 : 0));
    const { loss, correct } = await this.#classify.run({ features, labels, mask });
    try {
      return { batch, loss: loss!.scalar, correct: correct!.scalar, count: real };
    } finally {
      loss!.free();
      correct!.free();
    }
  }
}
