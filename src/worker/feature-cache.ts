/** The frozen encoder's features of all training images: all workers compute a share of them, once, and keep all. */
import type { SampleSource } from '../shared/data/sample-source.js';
import { elementCount } from '../shared/engine/dtype.js';
import type { TracedFunction } from '../shared/engine/traced-function.js';
import { imageShape } from '../shared/model/model.js';
import { rangeOf } from '../shared/plan/range.js';
import type { PeerExchange } from '../shared/transport/peer-exchange.js';
import { Gather } from './exchange/gather.js';
import { traceEncoding } from './functions/evaluation.js';
import type { Replica } from './replica.js';
import type { StageShape } from './stage-shape.js';

/**
 * Computed in rounds of K micro-batches of m images, dealt as those of a step are. Images go in order of their ids, and
 * a function of one shape, [m], takes them: so the features are a function of the config, whoever computes which.
 */
export class FeatureCache {
  /** How many rounds fill it. */
  readonly rounds: number;
  readonly #width: number;
  /** Of whole rounds: float32 [rounds·K·m, f] and int32 [rounds·K·m]. */
  readonly #features: Float32Array;
  readonly #labels: Int32Array;
  readonly #encode: TracedFunction;

  constructor(
    replica: Replica,
    private readonly shape: StageShape,
    private readonly source: SampleSource,
    /** Training images in use. */
    private readonly images: number,
  ) {
    const rows = shape.microBatches * shape.input.count;
    this.rounds = Math.ceil(images / rows);
    this.#width = replica.model.featureWidth;
    this.#features = new Float32Array(this.rounds * rows * this.#width);
    this.#labels = new Int32Array(this.rounds * rows);
    // Without its augmentation, which is none.
    const { count, model } = shape.input;
    this.#encode = traceEncoding(
      replica,
      `stage ${shape.index}: features`,
      { count, model },
      { embeddings: false },
    );
  }

  /**
   * Computes this worker's share of a round, and gathers the others'.
   * @param step the next one, which no other exchange is in the middle of
   * @throws what the exchange throws; the round can then be done again
   */
  async fill(round: number, step: number, exchange: PeerExchange, deadlineMs: number): Promise<void> {
    const { microBatches } = this.shape;
    const { lo, hi } = rangeOf(exchange.rank, exchange.worldSize, microBatches);
    const gather = new Gather({ exchange, step, microBatches, deadlineMs });
    try {
      for (let k = lo; k < hi; k += 1) {
        const { features, labels } = await this.#compute(round * microBatches + k);
        gather.contribute('features', k, features);
        gather.contribute('labels', k, labels);
      }
      const [features, labels] = await Promise.all([gather.result('features'), gather.result('labels')]);
      this.#features.set(features, round * features.length);
      this.#labels.set(labels, round * labels.length);
    } finally {
      gather.close();
    }
  }

  /** Features float32 [n,f] and labels int32 [n] of these images. */
  rows(ids: Int32Array): { readonly features: Float32Array; readonly labels: Int32Array } {
    const width = this.#width;
    const features = new Float32Array(ids.length * width);
    for (const [i, id] of ids.entries()) {
      features.set(this.#features.subarray(id * width, (id + 1) * width), i * width);
    }
    return { features, labels: ids.map((id) => this.#labels[id]!) };
  }

  /** Of images b·m … (b+1)·m−1; what is missing at the end is the last image again. */
  async #compute(batch: number): Promise<{ readonly features: Float32Array; readonly labels: Float32Array }> {
    const { count } = this.shape.input;
    const last = this.images - 1;
    const ids = Int32Array.from({ length: count }, (_, i) => Math.min(batch * count + i, last));
    const images = new Uint8Array(count * elementCount(imageShape));
    const labels = new Int32Array(count);
    await this.source.prepare('train', ids);
    this.source.fill('train', ids, images, labels, null);
    const { features } = await this.#encode.run({ images });
    try {
      return { features: features!.floats.slice(), labels: Float32Array.from(labels) };
    } finally {
      features!.free();
    }
  }
}
