/** A worker's share of an evaluation: whole batches, the last one padded and masked, so that any tail is exact. */
import type { Config } from '../shared/config/schema.js';
import type { SampleSource } from '../shared/data/source.js';
import { elementCount } from '../shared/engine/dtype.js';
import type { TracedFunction } from '../shared/engine/traced-function.js';
import { imageShape } from '../shared/model/model.js';
import type { Range } from '../shared/plan/range.js';
import type { EvaluationSums } from '../shared/protocol/messages.js';
import { traceEvaluation } from './functions/evaluation.js';
import type { Replica } from './replica.js';

export class Evaluation {
  readonly #traced: TracedFunction;
  readonly #size: number;

  constructor(
    replica: Replica,
    config: Config,
    private readonly source: SampleSource,
    /** Test images. */
    private readonly count: number,
  ) {
    this.#size = config.evaluate.batchSize;
    this.#traced = traceEvaluation(replica, 'evaluate', {
      count: this.#size,
      normalization: config.model.normalization,
    });
  }

  /** The sums of batches `lo` … `hi`−1; batch b holds test images b·size … . */
  async run({ lo, hi }: Range): Promise<EvaluationSums[]> {
    const sums: EvaluationSums[] = [];
    for (let batch = lo; batch < hi; batch += 1) sums.push(await this.#batch(batch));
    return sums;
  }

  async #batch(batch: number): Promise<EvaluationSums> {
    const size = this.#size;
    const first = batch * size;
    const real = Math.min(size, this.count - first);
    // Padding repeats the batch's first image; the mask takes it out of every sum.
    const ids = Int32Array.from({ length: size }, (_, i) => first + (i < real ? i : 0));
    const images = new Uint8Array(size * elementCount(imageShape));
    const labels = new Int32Array(size);
    await this.source.prepare('test', ids);
    this.source.fill('test', ids, images, labels, null);
    const mask = Float32Array.from({ length: size }, (_, i) => (i < real ? 1 : 0));
    const { loss, correct } = await this.#traced.run({ images, labels, mask });
    try {
      return { batch, loss: loss!.scalar, correct: correct!.scalar, count: real };
    } finally {
      loss!.free();
      correct!.free();
    }
  }
}
