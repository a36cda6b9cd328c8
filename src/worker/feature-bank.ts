/**
 * Features that stay with the worker that computed them (a memory bank), in blocks: what is asked of them travels, and
 * sums and nearest ones come back. A block is computed alike whoever has it, so nothing depends on the number of workers.
 */
import { HostTensor } from '../shared/engine/host-tensor.js';
import type { Session } from '../shared/engine/session.js';
import type { TracedFunction } from '../shared/engine/traced-function.js';
import { LockstepError } from '../shared/errors.js';
import { classes } from '../shared/model/model.js';
import type { BatchOutputs } from './evaluate.js';
import { nowhere, traceNearest } from './functions/nearest.js';
import { traceMoments, traceProbe } from './functions/probe.js';

interface Block {
  /** Float32 [size, width]; rows without a feature are zero. */
  readonly features: HostTensor;
  readonly labels: Int32Array;
  /** Which image each row is. */
  readonly images: Int32Array;
  /** 1 for a feature, 0 for a row without. */
  readonly mask: Float32Array;
  count: number;
}

/** Where the rows of the probe stand. */
export interface ProbeFeeds {
  /** Subtracted from features [f]. */
  readonly shift: Float32Array;
  /** What they are then multiplied by [f]. */
  readonly scale: Float32Array;
  /** [f,classes] */
  readonly weights: Float32Array;
  /** [classes] */
  readonly bias: Float32Array;
}

export class FeatureBank {
  readonly #blocks: Block[] = [];
  readonly #functions = new Map<string, TracedFunction>();
  #width = 0;

  constructor(
    private readonly session: Session,
    /** Images in a batch. */
    private readonly batchSize: number,
    /** Batches in a block. */
    private readonly batches: number,
  ) {}

  /** Rows of a block. */
  get #size(): number {
    return this.batchSize * this.batches;
  }

  /** Keeps a batch's features; batches come in their order, beginning with a block's first. */
  add({ batch, labels, real, outputs }: BatchOutputs): void {
    const { floats, shape } = outputs.features!;
    const width = shape[1]!;
    this.#width = width;
    if (batch % this.batches === 0) this.#blocks.push(this.#emptyBlock(width));
    const block = this.#blocks.at(-1)!;
    const begin = (batch % this.batches) * this.batchSize;
    block.features.floats.set(floats.subarray(0, real * width), begin * width);
    block.labels.set(labels.subarray(0, real), begin);
    block.mask.fill(1, begin, begin + real);
    for (let i = 0; i < real; i += 1) block.images[begin + i] = batch * this.batchSize + i;
    block.count += real;
  }

  /** The `k` nearest kept features of each of `rows` queries [rows,f]; fewer kept ones leave similarities of `nowhere`. */
  async nearest(
    queries: Float32Array,
    rows: number,
    k: number,
  ): Promise<{ readonly similarities: Float32Array; readonly images: Int32Array }> {
    let best = new Float32Array(rows * k).fill(nowhere);
    let bestImages = new Int32Array(rows * k).fill(-1);
    if (this.#blocks.length === 0) return { similarities: best, images: bestImages };
    this.#checkQueries(queries, rows);
    const shape = { queries: rows, block: this.#size, width: this.#width, k };
    const traced = this.#function(`nearest ${k} of ${rows}`, (name) =>
      traceNearest(this.session, name, shape),
    );
    const feed = HostTensor.from('float32', [rows, this.#width], queries);
    try {
      for (const { features, images, mask } of this.#blocks) {
        const padding = mask.map((real) => (real === 1 ? 0 : nowhere));
        const found = await traced.run({ queries: feed, block: features, padding, images, best, bestImages });
        best = found.similarities!.floats.slice();
        bestImages = (found.images!.data as Int32Array).slice();
        found.similarities!.free();
        found.images!.free();
      }
    } finally {
      feed.free();
    }
    return { similarities: best, images: bestImages };
  }

  /** Of each block float32 [2,f]: means, and squared deviations from them, summed. */
  async moments(): Promise<Float32Array[]> {
    const shape = { block: this.#size, width: this.#width };
    const traced = this.#function('moments', (name) => traceMoments(this.session, name, shape));
    return await this.#ofEach(async ({ features, mask, count }) => {
      return joined(await traced.run({ features, mask, count: [count] }), ['mean', 'deviations']);
    });
  }

  /** Of each block float32: the loss of a linear classifier, and its gradient by weights and bias. */
  async probe(feeds: ProbeFeeds): Promise<Float32Array[]> {
    const shape = { block: this.#size, width: this.#width, classes };
    const traced = this.#function('probe', (name) => traceProbe(this.session, name, shape));
    return await this.#ofEach(async ({ features, labels, mask }) => {
      return joined(await traced.run({ features, labels, mask, ...feeds }), ['loss', 'dWeights', 'dBias']);
    });
  }

  free(): void {
    for (const { features } of this.#blocks.splice(0)) features.free();
  }

  async #ofEach(run: (block: Block) => Promise<Float32Array>): Promise<Float32Array[]> {
    const results: Float32Array[] = [];
    for (const block of this.#blocks) results.push(await run(block));
    return results;
  }

  #emptyBlock(width: number): Block {
    const size = this.#size;
    const features = HostTensor.allocate('float32', [size, width]);
    features.floats.fill(0);
    return {
      features,
      labels: new Int32Array(size),
      images: new Int32Array(size).fill(-1),
      mask: new Float32Array(size),
      count: 0,
    };
  }

  /** Traced when it is needed first: blocks have one shape. */
  #function(name: string, trace: (name: string) => TracedFunction): TracedFunction {
    let traced = this.#functions.get(name);
    if (traced === undefined) {
      traced = trace(`feature bank: ${name}`);
      this.#functions.set(name, traced);
    }
    return traced;
  }

  #checkQueries(queries: Float32Array, rows: number): void {
    if (queries.length === rows * this.#width) return;
    throw new LockstepError(
      'PROTOCOL',
      `${queries.length} values came as ${rows} rows of ${this.#width} features.`,
    );
  }
}

/** Outputs one after the other; they are freed. */
function joined(outputs: Record<string, HostTensor>, names: readonly string[]): Float32Array {
  const tensors = names.map((name) => outputs[name]!);
  const values = new Float32Array(tensors.reduce((sum, { floats }) => sum + floats.length, 0));
  let at = 0;
  for (const tensor of tensors) {
    values.set(tensor.floats, at);
    at += tensor.floats.length;
    tensor.free();
  }
  return values;
}
