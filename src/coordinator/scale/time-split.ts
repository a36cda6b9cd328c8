/** Where the time of a step goes, so that the parts add up to what the step took. */
import { meanOf } from '../../shared/statistics/estimate.js';
import { busy, type RankTimes, slowest, slowestRank, waitingForSlowest } from '../rank-times.js';
import type { MeasuredStep } from './study.js';

/** In the order in which they are stacked. */
export const splitParts = [
  { name: 'compute', title: 'compute' },
  { name: 'waiting', title: 'waiting for the slowest' },
  { name: 'exposedComm', title: 'exposed communication' },
  { name: 'commit', title: 'commit' },
  { name: 'input', title: 'input' },
  { name: 'other', title: 'other' },
] as const;

/**
 * Milliseconds a step. A step takes as long as its slowest rank: that one's busy time is the mean of all ranks' input and
 * computing, and what the mean rank waits for it. What the slowest rank then waits itself is communication; what nobody
 * measured, as starting later than others, is `other`, which is negative where ranks were ahead of the coordinator.
 */
export type TimeSplit = Readonly<Record<(typeof splitParts)[number]['name'], number>>;

export function timeSplit(step: MeasuredStep): TimeSplit {
  const ranks = ranksOf(step);
  const last = slowest(ranks);
  return {
    compute: meanOf(ranks.map(({ compute }) => compute)),
    waiting: waitingForSlowest(ranks),
    exposedComm: last.exposedComm,
    commit: last.commit,
    input: meanOf(ranks.map(({ input }) => input)),
    other: step.ms - busy(last) - last.exposedComm - last.commit,
  };
}

/** Means, which add up where medians do not. */
export function meanSplit(splits: readonly TimeSplit[]): TimeSplit {
  const mean = (part: keyof TimeSplit) => meanOf(splits.map((split) => split[part]));
  return {
    compute: mean('compute'),
    waiting: mean('waiting'),
    exposedComm: mean('exposedComm'),
    commit: mean('commit'),
    input: mean('input'),
    other: mean('other'),
  };
}

/** Who was waited for. */
export interface Slowest {
  readonly rank: number;
  /** The share of steps in which it was the slowest. */
  readonly share: number;
}

/** The rank that was slowest most often; the lower one of two. */
export function mostOftenSlowest(steps: readonly MeasuredStep[]): Slowest {
  const counts = new Map<number, number>();
  for (const step of steps) {
    const rank = slowestRank(ranksOf(step));
    counts.set(rank, (counts.get(rank) ?? 0) + 1);
  }
  const [rank, count] = [...counts].sort(([a, x], [b, y]) => y - x || a - b)[0]!;
  return { rank, share: count / steps.length };
}

/** By rank. */
export function ranksOf({ ranks }: MeasuredStep): RankTimes[] {
  return ranks.map(([input, compute, exposedComm, commit], rank) => ({
    ...{ rank, input, compute, exposedComm, commit },
  }));
}
