/** A worker's share of an evaluation: whole batches, the last one padded and cut, so that any tail is exact. */
import type { Config } from '../shared/config/schema.js';
import type { SampleSource, Split } from '../shared/data/sample-source.js';
import type { HostTensor } from '../shared/engine/host-tensor.js';
import type { TracedFunction } from '../shared/engine/traced-function.js';
import type { CoordinatorMessageOf } from '../shared/protocol/messages.js';
import { type BatchPlace, evaluationBatch } from './evaluation-batch.js';
import { traceClassifier, traceEncoding } from './functions/evaluation.js';
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
  readonly #encodings = new Map<string, TracedFunction>();
  #classifier: TracedFunction | undefined;
  readonly #kept = new Map<number, BatchOutputs>();

  constructor(
    private readonly replica: Replica,
    private readonly config: Config,
    private readonly source: SampleSource,
    /** Images in use, by split. */
    private readonly counts: Readonly<Record<Split, number>>,
  ) {}

  /**
   * Calls `take` with each batch's outputs, which are freed when it has ended.
   * @param keeps whether the encoder stays as it is: features of test images are then kept for the next time, until `forget`
   */
  async run(
    { split, batches: { lo, hi }, outputs, mirrored }: CoordinatorMessageOf<'evaluate'>,
    keeps: boolean,
    take: (made: BatchOutputs) => Promise<void>,
  ): Promise<void> {
    const embeddings = outputs.includes('embeddings');
    const keep = keeps && split === 'test' && !mirrored && !embeddings;
    const { batchSize: size } = this.config.evaluate;
    for (let batch = lo; batch < hi; batch += 1) {
      const place = { split, batch, size, count: this.counts[split] };
      const encoded =
        (keep ? this.#kept.get(batch) : undefined) ?? (await this.#encode(place, mirrored, embeddings));
      if (keep) this.#kept.set(batch, encoded);
      try {
        await this.#judge(encoded, outputs.includes('logits'), take);
      } finally {
        if (!keep) free(encoded);
      }
    }
  }

  /** The encoder has changed. */
  forget(): void {
    for (const encoded of this.#kept.values()) free(encoded);
    this.#kept.clear();
  }

  /** Hands over a batch, with what the classifier makes of its features where that is wanted. */
  async #judge(
    encoded: BatchOutputs,
    classify: boolean,
    take: (made: BatchOutputs) => Promise<void>,
  ): Promise<void> {
    if (!classify) return await take(encoded);
    this.#classifier ??= traceClassifier(this.replica, 'evaluate: logits', this.config.evaluate.batchSize);
    const { logits } = await this.#classifier.run({ features: encoded.outputs.features! });
    try {
      await take({ ...encoded, outputs: { ...encoded.outputs, logits: logits! } });
    } finally {
      logits!.free();
    }
  }

  async #encode(place: BatchPlace, mirrored: boolean, embeddings: boolean): Promise<BatchOutputs> {
    const { images, labels, real } = await evaluationBatch(this.source, place, mirrored);
    const traced = this.#encoding(embeddings);
    return { batch: place.batch, labels, real, outputs: await traced.run({ images }) };
  }

  #encoding(embeddings: boolean): TracedFunction {
    const name = embeddings ? 'features and embeddings' : 'features';
    let traced = this.#encodings.get(name);
    if (traced === undefined) {
      const { evaluate, model } = this.config;
      const shape = { count: evaluate.batchSize, model };
      traced = traceEncoding(this.replica, `evaluate: ${name}`, shape, { embeddings });
      this.#encodings.set(name, traced);
    }
    return traced;
  }
}

function free({ outputs }: BatchOutputs): void {
  for (const tensor of Object.values(outputs)) tensor.free();
}

/** A copy of an output's rows that are images of the batch: what a socket may keep. */
export function rowsOf(output: HostTensor, real: number): Uint8Array {
  const rows = output.floats.slice(0, real * output.shape[1]!);
  return new Uint8Array(rows.buffer);
}
