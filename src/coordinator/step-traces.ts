/** Which steps are traced, and what a traced step leaves in metrics.jsonl. */
import type { WorkerMessageOf } from '../shared/protocol/messages.js';
import type { StepTrace } from '../shared/protocol/step-trace.js';
import type { TraceEvent } from './metrics.js';

/** At most so many ranks are recorded of a step. */
export const tracedRanks = 16;

/**
 * The 2nd, 4th, 8th … step of a stage: a few at first, when things change, and never many. The first one builds what later
 * ones find.
 * @param stepInStage counted from 0
 */
export function isTraced(stepInStage: number): boolean {
  const number = stepInStage + 1;
  return number > 1 && (number & (number - 1)) === 0;
}

/** Undefined if no rank has sent a trace. @param slowest recorded whatever the number of ranks */
export function traceEvent(
  place: Pick<TraceEvent, 'stage' | 'epoch' | 'step'>,
  applied: ReadonlyMap<number, WorkerMessageOf<'applied'>>,
  slowest: number,
): TraceEvent | undefined {
  const traced = [...applied]
    .sort(([a], [b]) => a - b)
    .flatMap(([rank, { trace }]) => (trace === undefined ? [] : [{ rank, trace }]));
  const [first] = traced;
  if (first === undefined) return undefined;
  const kept = someOf(traced, tracedRanks, ({ rank }) => rank === slowest);
  return {
    type: 'trace',
    ...place,
    workers: applied.size,
    bytes: first.trace.bytes,
    ranks: kept.map(({ rank, trace }) => ({ rank, ...withoutBytes(trace) })),
  };
}

function withoutBytes({ bytes: _, ...rest }: StepTrace): Omit<StepTrace, 'bytes'> {
  return rest;
}

/** At most so many of the ranks, evenly, and always the one that is `wanted`. */
export function someOf<T>(ranks: readonly T[], most: number, wanted: (one: T) => boolean): T[] {
  if (ranks.length <= most) return [...ranks];
  const even = new Set(
    Array.from({ length: most }, (_, i) => Math.round((i * (ranks.length - 1)) / (most - 1))),
  );
  const found = ranks.findIndex(wanted);
  if (found >= 0 && !even.has(found)) {
    const nearest = [...even].reduce((best, i) => (Math.abs(i - found) < Math.abs(best - found) ? i : best));
    even.delete(nearest);
    even.add(found);
  }
  return ranks.filter((_, i) => even.has(i));
}
