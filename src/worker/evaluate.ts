/** A worker's share of an evaluation: whole batches, the last one padded and cut, so that any tail is exact. */
import type { Config } from '../shared/config/schema.js';
import type { SampleSource, Split } from '../shared/data/source.js';
import type { HostTensor } from '../shared/engine/host-tensor.js';
import type { TracedFunction } from '../shared/engine/traced-function.js';
import type { CoordinatorMessageOf, ModelOutput } from '../shared/protocol/messages.js';
import { evaluationBatch } from './evaluation-batch.js';
import { traceEvaluation } from './functions/evaluation.js';
import type { Replica } from './replica.js';

/** What the model made of one batch. */
export interface BatchOutputs {
  readonly batch: number;
  /** int32, those of the batch's images first. */
  readonly labels: Int32Array;
  /** How many of the rows are images of the batch; the others pad it. */
  readonly real: number;
  readonly outputs: Readonly<Record<string, HostTensor>>;
}

export class Evaluation {
  /** A function for each set of outputs that was asked for. */
  readonly #traced = new Map<string, TracedFunction>();

  constructor(
    private readonly replica: Replica,
    private readonly config: Config,
    private readonly source: SampleSource,
    /** Images in use, by split. */
    private readonly counts: Readonly<Record<Split, number>>,
  ) {}

  /** Calls `take` with each batch's outputs, which are freed when it has ended. */
  async run(
    { split, batches: { lo, hi }, outputs, mirrored }: CoordinatorMessageOf<'evaluate'>,
    take: (made: BatchOutputs) => Promise<void>,
  ): Promise<void> {
    const traced = this.#function(outputs);
    const { batchSize: size } = this.config.evaluate;
    for (let batch = lo; batch < hi; batch += 1) {
      const place = { split, batch, size, count: this.counts[split] };
      const { images, labels, real } = await evaluationBatch(this.source, place, mirrored);
      const made = await traced.run({ images });
      try {
        await take({ batch, labels, real, outputs: made });
      } finally {
        for (const tensor of Object.values(made)) tensor.free();
      }
    }
  }

  #function(outputs: readonly ModelOutput[]): TracedFunction {
    const key = outputs.join(' and ');
    let traced = this.#traced.get(key);
    if (traced === undefined) {
      const { evaluate, model } = this.config;
      const shape = { count: evaluate.batchSize, normalization: model.normalization };
      traced = traceEvaluation(this.replica, `evaluate: ${key}`, shape, outputs);
      this.#traced.set(key, traced);
    }
    return traced;
  }
}

/** A copy of an output's rows that are images of the batch: what a socket may keep. */
export function rowsOf(output: HostTensor, real: number): Uint8Array {
  const rows = output.floats.slice(0, real * output.shape[1]!);
  return new Uint8Array(rows.buffer);
}
