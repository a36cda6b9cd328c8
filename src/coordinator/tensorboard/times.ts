/** When a run's events happened. metrics.jsonl has no times, but says how long each step took, and run.json when it started. */
import type { MetricsEvent } from '../metrics.js';
import type { RunRecord } from '../run-folder.js';

/** Seconds since 1970 for each event. Set-up, evaluations and checkpoints are left out, so they are somewhat early. */
export function estimatedTimes(
  { startedAt, resumed }: Pick<RunRecord, 'startedAt' | 'resumed'>,
  events: readonly MetricsEvent[],
): number[] {
  const starts = [{ fromStep: 0, startedAt }, ...resumed];
  let present: (typeof starts)[number] | undefined;
  let time = 0;
  return events.map((event) => {
    // What a later start has done again is no longer in the events.
    const start = starts.findLast(({ fromStep }) => fromStep < event.step) ?? starts[0]!;
    if (start !== present) time = Date.parse(start.startedAt) / 1000;
    present = start;
    if (event.type === 'step') time += event.ms.total / 1000;
    return time;
  });
}
