import { describe, expect, it } from 'vitest';
import type { WorkerMessageOf } from '../shared/protocol/messages.js';
import type { StepTrace } from '../shared/protocol/step-trace.js';
import { traceEventSchema } from './metrics.js';
import { isTraced, someOf, tracedRanks, traceEvent } from './step-traces.js';

const trace: StepTrace = {
  ...{ input: [[0, 1]], runs: [[1, 9]], gathers: [], buckets: [[5, null, 10]], bytes: [400] },
  ...{ reported: 10, committed: 11, applied: [11, 12] },
};

const applied = (ranks: readonly number[], traced: boolean) =>
  new Map(
    ranks.map((rank): [number, WorkerMessageOf<'applied'>] => [
      rank,
      {
        ...{ type: 'applied', generation: 1, step: 1, gradNorm: 1, lossScale: null, commitMs: 1 },
        ...(traced ? { trace } : {}),
      },
    ]),
  );

const place = { stage: 'train', epoch: 1, step: 2 };

describe('traced steps', () => {
  it('are few, whatever the length of a stage', () => {
    const steps = (length: number) => Array.from({ length }, (_, i) => i).filter(isTraced);
    expect(steps(70).map((step) => step + 1)).toEqual([2, 4, 8, 16, 32, 64]);
    expect(steps(100_000)).toHaveLength(16);
    expect(steps(1)).toEqual([]);
  });

  it('leave an event with the ranks in order', () => {
    const event = traceEvent(place, applied([1, 0], true), 1)!;
    expect(event.ranks.map(({ rank }) => rank)).toEqual([0, 1]);
    expect([event.workers, event.bytes]).toEqual([2, [400]]);
    expect(traceEventSchema.parse(JSON.parse(JSON.stringify(event)))).toEqual(event);
  });

  it('leave nothing where no rank was asked', () => {
    expect(traceEvent(place, applied([0, 1], false), 0)).toBeUndefined();
  });

  it('of many ranks keep some, and always the slowest', () => {
    const all = Array.from({ length: 1000 }, (_, rank) => rank);
    const ranks = traceEvent(place, applied(all, true), 517)!.ranks.map(({ rank }) => rank);
    expect(ranks).toHaveLength(tracedRanks);
    expect(ranks).toContain(517);
    expect([ranks[0], ranks.at(-1)]).toEqual([0, 999]);
    expect(someOf([1, 2, 3], 4, () => false)).toEqual([1, 2, 3]);
  });
});
