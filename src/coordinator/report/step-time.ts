/** Where a step's time goes: what the slowest worker measured, and the rest. */
import type { StepEvent } from '../metrics.js';

/** From the bottom of the plot to its top, with the colour of each. */
export const parts = [
  { name: 'compute', title: 'compute' },
  { name: 'comm', title: 'exposed communication' },
  { name: 'commit', title: 'commit' },
  { name: 'input', title: 'input' },
  { name: 'other', title: 'waiting, other' },
] as const;
export type Part = (typeof parts)[number]['name'];

/**
 * Milliseconds. The coordinator measures the whole and a worker the parts; a worker begins while the coordinator still
 * waits for others, so the parts may come to more than the whole, and nothing is left for the rest.
 */
export function stepTime({
  ms: { total, input, compute, exposedComm, commit },
}: StepEvent): Record<Part, number> {
  const other = Math.max(0, total - input - compute - exposedComm - commit);
  return { compute, comm: exposedComm, commit, input, other };
}
