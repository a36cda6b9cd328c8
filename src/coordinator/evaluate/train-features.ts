/** The features of the training images: they stay with the workers that computed them, who are asked about them. */

import { LockstepError } from '../../shared/errors.js';
import type { Range } from '../../shared/plan/range.js';
import type { ModelOutput } from '../../shared/protocol/messages.js';
import type { WorkerGroup } from '../worker-group.js';
import { merge, type Neighbours } from './knn.js';
import { dealBatches, type EvaluationPlan, type OnImages, shareOf } from './outputs.js';
import type { Rows } from './rows.js';
import { type Standardization, standardization } from './standardize.js';

/** Rows of a block, but for what a batch is larger. */
const blockRows = 1000;
/** Test images whose neighbours are looked for at a time. */
const queryRows = 500;

/** A linear classifier on standardised features. */
export interface LinearClassifier {
  /** [features,classes] */
  readonly weights: Float32Array;
  /** [classes] */
  readonly bias: Float32Array;
}

export class TrainFeatures {
  private constructor(
    private readonly group: WorkerGroup,
    private readonly plan: EvaluationPlan,
    /** Blocks of each rank. */
    private readonly shares: readonly Range[],
    /** Rows in a block. */
    private readonly size: number,
  ) {}

  /**
   * Has the workers compute and keep the features: 4·features bytes an image, shared by the workers.
   * @param outputs the same as for the test images, so that workers trace one function
   */
  static async keep(
    group: WorkerGroup,
    plan: EvaluationPlan,
    outputs: readonly ModelOutput[],
    progress: OnImages,
  ): Promise<TrainFeatures> {
    const { images, batchSize } = plan;
    const keep = Math.max(1, Math.round(blockRows / batchSize));
    const batches = Math.ceil(images / batchSize);
    const blocks = Math.ceil(batches / keep);
    const shares = group.members.map((_, rank) => shareOf(rank, group.members.length, blocks));
    const ofBatches = shares.map(({ lo, hi }) => ({ lo: lo * keep, hi: Math.min(hi * keep, batches) }));
    const request = { split: plan.split, outputs: [...outputs], mirrored: false, keep };
    await dealBatches(group, plan, ofBatches, request, progress, () => {});
    return new TrainFeatures(group, plan, shares, keep * batchSize);
  }

  get images(): number {
    return this.plan.images;
  }

  /** The nearest training images of each of `queries`, by cosine. */
  async neighbours({ values, width }: Rows, k: number, progress: OnImages): Promise<Neighbours> {
    const rows = values.length / width;
    const similarities = new Float32Array(rows * k);
    const images = new Int32Array(rows * k);
    for (let first = 0; first < rows; first += queryRows) {
      const count = Math.min(queryRows, rows - first);
      // The last ones are padded: workers have one function for all.
      const queries = new Float32Array(queryRows * width);
      queries.set(values.subarray(first * width, (first + count) * width));
      const answers = await this.#ask(
        { type: 'neighbours', k, rows: queryRows },
        [bytesOf(queries)],
        'neighbours',
      );
      const lists = answers.map(([near, which]): Neighbours => {
        return { k, similarities: floats(near!), images: new Int32Array(floats(which!).buffer) };
      });
      const merged = merge(lists, count, k);
      similarities.set(merged.similarities, first * k);
      images.set(merged.images, first * k);
      progress(first + count);
    }
    return { k, similarities, images };
  }

  async standardization(): Promise<Standardization> {
    const blocks = this.#inOrder(await this.#ask({ type: 'moments' }, [], 'moments'));
    return standardization(
      blocks.map((values, block) => {
        const width = values.length / 2;
        return {
          count: Math.min(this.size, this.images - block * this.size),
          means: values.subarray(0, width),
          deviations: values.subarray(width),
        };
      }),
    );
  }

  /**
   * Cross-entropy of a classifier on the standardised features and its gradient, as sums over the training images.
   * Blocks are added up in their order, in float64.
   */
  async loss(
    { weights, bias }: LinearClassifier,
    { shift, scale }: Standardization,
  ): Promise<{ readonly loss: number; readonly gradient: Float64Array }> {
    const frames = [shift, scale, weights, bias].map(bytesOf);
    const blocks = this.#inOrder(await this.#ask({ type: 'probe' }, frames, 'probed'));
    let loss = 0;
    const gradient = new Float64Array(weights.length + bias.length);
    for (const values of blocks) {
      loss += values[0]!;
      for (let i = 0; i < gradient.length; i += 1) gradient[i]! += values[i + 1]!;
    }
    return { loss, gradient };
  }

  async #ask(
    message: Parameters<WorkerGroup['broadcast']>[0],
    frames: readonly Uint8Array[],
    type: 'neighbours' | 'moments' | 'probed',
  ): Promise<(readonly Uint8Array[])[]> {
    const { members } = this.group;
    await Promise.all(members.map((_, rank) => this.group.send(rank, message, ...frames)));
    const answers = await Promise.all(
      members.map((worker) => this.group.receive(worker, type, this.plan.deadlineMs)),
    );
    return answers.map((answer) => answer.frames);
  }

  /** The frames of all blocks: ranks have contiguous shares. */
  #inOrder(answers: readonly (readonly Uint8Array[])[]): Float32Array[] {
    for (const [rank, frames] of answers.entries()) {
      const { lo, hi } = this.shares[rank]!;
      if (frames.length !== hi - lo) {
        throw new LockstepError(
          'PROTOCOL',
          `${this.group.nameOf(rank)} sent ${frames.length} blocks, not ${hi - lo}.`,
        );
      }
    }
    return answers.flat().map(floats);
  }
}

function bytesOf(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

/** A frame may begin anywhere in memory: a copy is aligned. */
function floats(frame: Uint8Array): Float32Array<ArrayBuffer> {
  return new Float32Array(new Uint8Array(frame).buffer);
}
