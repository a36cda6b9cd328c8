/** Where each rank's time of a step went, and what the others lost by waiting for the slowest. */
import type { WorkerMessageOf } from '../shared/protocol/messages.js';

/** Milliseconds, each measured by the rank itself: no two clocks are compared. */
export interface RankTimes {
  readonly rank: number;
  /** Making the batch, also while the step before was being committed. */
  readonly input: number;
  readonly compute: number;
  /** Waiting for other ranks' values while nothing was computed, for whatever reason they came late. */
  readonly exposedComm: number;
  /** From the report of the finished sum to the new weights. */
  readonly commit: number;
}

/** Of the ranks that have applied the step; those that were lost meanwhile have no times. */
export function rankTimes(
  reduced: readonly WorkerMessageOf<'reduced'>[],
  applied: ReadonlyMap<number, WorkerMessageOf<'applied'>>,
): RankTimes[] {
  return [...applied]
    .sort(([a], [b]) => a - b)
    .map(([rank, { commitMs }]) => ({ rank, ...reduced[rank]!.ms, commit: commitMs }));
}

/** What a rank had to do before it could wait for anybody, in ms. */
export function busy({ input, compute }: RankTimes): number {
  return input + compute;
}

/** The rank that was busy longest: nobody's sum is complete before it has contributed. */
export function slowestRank(ranks: readonly RankTimes[]): number {
  return slowest(ranks).rank;
}

/** What a rank waited for the slowest one, in ms, as a mean over all of them. */
export function waitingForSlowest(ranks: readonly RankTimes[]): number {
  const most = busy(slowest(ranks));
  return ranks.reduce((sum, rank) => sum + most - busy(rank), 0) / ranks.length;
}

export function slowest(ranks: readonly RankTimes[]): RankTimes {
  return ranks.reduce((longest, other) => (busy(other) > busy(longest) ? other : longest));
}
