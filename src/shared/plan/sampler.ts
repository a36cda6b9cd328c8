/** Which samples are in micro-batch k of a step: a function of the seed and the position, never of the workers. */
import { LockstepError } from '../errors.js';
import { permutation } from '../random/permutation.js';

/** What fixes the samples of every step. */
export interface Sampling {
  readonly seed: number;
  /** K. */
  readonly microBatches: number;
  /** m, in images. */
  readonly microBatchSize: number;
  /** Training images after `data.limit`. */
  readonly datasetSize: number;
}

/**
 * Whole global batches in an epoch, ⌊datasetSize / globalBatch⌋. The images left over sit the epoch out; the
 * next epoch's order is another, so none is left out for good.
 *
 * @throws LockstepError CONFIG when not even one global batch is there
 */
export function stepsPerEpoch(datasetSize: number, globalBatch: number): number {
  const steps = Math.floor(datasetSize / globalBatch);
  if (steps < 1) {
    throw new LockstepError(
      'CONFIG',
      `A global batch of ${globalBatch} images needs more than the ${datasetSize} training images there are.`,
      { hint: 'Lower batch.microBatches or batch.microBatchSize, or raise data.limit.train.' },
    );
  }
  return steps;
}

/**
 * The samples of the steps of a run. `epoch` counts over all stages (so that two stages do not see the same orders),
 * `step` within the epoch.
 */
export class Sampler {
  readonly stepsPerEpoch: number;
  #epoch = -1;
  #order: Int32Array = new Int32Array(0);

  constructor(readonly sampling: Sampling) {
    this.stepsPerEpoch = stepsPerEpoch(sampling.datasetSize, sampling.microBatches * sampling.microBatchSize);
  }

  /** The m sample ids of micro-batch k, Int32Array [m]: a view on the epoch's order, not to be written to. */
  microBatch(epoch: number, step: number, k: number): Int32Array {
    const { microBatches, microBatchSize: m } = this.sampling;
    if (!(Number.isInteger(step) && step >= 0 && step < this.stepsPerEpoch)) {
      throw new RangeError(`Step ${step} is outside an epoch of ${this.stepsPerEpoch} steps`);
    }
    if (!(Number.isInteger(k) && k >= 0 && k < microBatches)) {
      throw new RangeError(`Micro-batch ${k} is outside a step of ${microBatches}`);
    }
    const first = (step * microBatches + k) * m;
    return this.#orderOf(epoch).subarray(first, first + m);
  }

  #orderOf(epoch: number): Int32Array {
    if (epoch !== this.#epoch) {
      this.#order = permutation(this.sampling.datasetSize, this.sampling.seed, epoch);
      this.#epoch = epoch;
    }
    return this.#order;
  }
}
