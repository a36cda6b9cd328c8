/** A worker's share of an evaluation: whole batches, the last one padded and masked, so that any tail is exact. */
import type { Config } from '../shared/config/schema.js';
import type { SampleSource } from '../shared/data/source.js';
import type { TracedFunction } from '../shared/engine/traced-function.js';
import type { Range } from '../shared/plan/range.js';
import type { EvaluationSums } from '../shared/protocol/messages.js';
import { traceEvaluation } from './functions/evaluation.js';
import type { Replica } from './replica.js';
import { testBatch } from './test-batch.js';

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
      model: config.model,
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
    const { images, labels, real } = await testBatch(this.source, batch, size, this.count);
    // What pads the batch is taken out of every sum.
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
