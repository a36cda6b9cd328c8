/** The ranks of a traced step beside each other, and the step of a stage that is shown. */
import type { TraceEvent } from '../metrics.js';

export type RankTrace = TraceEvent['ranks'][number];

/** A rank, and what is added to its times to lay it beside the others. */
export interface AlignedRank {
  readonly trace: RankTrace;
  /** Milliseconds after the rank that began first. */
  readonly begins: number;
}

/**
 * No two clocks are compared: the coordinator sends the commit to all ranks at once, so that is the same moment for all, but
 * for the latency of the network.
 */
export function aligned({ ranks }: TraceEvent): AlignedRank[] {
  const longest = Math.max(...ranks.map(({ committed }) => committed));
  return ranks.map((trace) => ({ trace, begins: longest - trace.committed }));
}

/** From the first rank's beginning until the last one has applied the step, ms. */
export function durationOf(event: TraceEvent): number {
  return Math.max(...aligned(event).map(({ trace, begins }) => begins + trace.applied[1]));
}

/** The one in the middle by duration, and of two the slower; undefined of none. */
export function typicalOf(events: readonly TraceEvent[]): TraceEvent | undefined {
  const sorted = [...events].sort((one, other) => durationOf(one) - durationOf(other));
  return sorted[sorted.length >> 1];
}

/** From the first bucket's leaving until the last one is back, ms since the rank began; undefined without any. */
export function exchangeOf({ buckets }: RankTrace): readonly [number, number] | undefined {
  if (buckets.length === 0) return undefined;
  return [Math.min(...buckets.map(([left]) => left)), Math.max(...buckets.map(([, , back]) => back))];
}

/** The end of the last run of the graph. */
export function computedAt({ runs }: RankTrace): number {
  return Math.max(0, ...runs.map(([, to]) => to));
}

/** The share of the time in which buckets were on their way that the rank spent computing; 1 without any. */
export function hiddenShare(trace: RankTrace): number {
  const end = computedAt(trace);
  let all = 0;
  let hidden = 0;
  let reached = 0;
  for (const [left, , back] of [...trace.buckets].sort(([one], [other]) => one - other)) {
    const from = Math.max(left, reached);
    if (back <= from) continue;
    all += back - from;
    hidden += Math.max(0, Math.min(back, end) - from);
    reached = back;
  }
  return all === 0 ? 1 : hidden / all;
}
