/** Which micro-batches of a step a worker computes. */
import { LockstepError } from '../errors.js';

/** The micro-batches lo … hi−1. */
export interface Range {
  readonly lo: number;
  readonly hi: number;
}

/**
 * The contiguous share of worker `rank` of `worldSize` in K micro-batches: ⌊rank·K/N⌋ … ⌊(rank+1)·K/N⌋−1. Shares
 * differ by at most one micro-batch.
 *
 * @throws LockstepError CONFIG when there are more workers than micro-batches
 */
export function rangeOf(rank: number, worldSize: number, microBatches: number): Range {
  if (!Number.isInteger(rank) || rank < 0 || rank >= worldSize) {
    throw new RangeError(`Rank ${rank} is outside a world of ${worldSize}`);
  }
  if (worldSize > microBatches) {
    throw new LockstepError('CONFIG', `${worldSize} workers can't share ${microBatches} micro-batches.`, {
      hint: `Start at most ${microBatches} workers, or raise batch.microBatches.`,
    });
  }
  return {
    lo: Math.floor((rank * microBatches) / worldSize),
    hi: Math.floor(((rank + 1) * microBatches) / worldSize),
  };
}
