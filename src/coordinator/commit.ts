/** The decision to commit: all replicas must be the same, and must have reduced to the same. */
import { LockstepError } from '../shared/errors.js';
import type { StepResult } from '../shared/protocol/messages.js';

export interface Reduced {
  readonly step: number;
  /** Of the replica before the step is applied. */
  readonly fingerprint: string;
  readonly result: StepResult;
}

/**
 * The step's result if every rank agrees.
 * @param reports in order of rank
 * @throws LockstepError DIVERGED that names the ranks in the minority and the step
 */
export function agree(
  step: number,
  reports: readonly Reduced[],
  nameOf: (rank: number) => string,
): StepResult {
  const strayed = reports.findIndex((report) => report.step !== step);
  if (strayed >= 0) {
    throw new LockstepError(
      'PROTOCOL',
      `${nameOf(strayed)} reduced step ${reports[strayed]!.step}, not ${step}.`,
    );
  }
  sameEverywhere(
    reports.map(({ fingerprint }) => fingerprint),
    `weights before step ${step}`,
    nameOf,
  );
  sameEverywhere(
    reports.map(({ result }) => JSON.stringify(result)),
    `results of step ${step}`,
    nameOf,
  );
  return reports[0]!.result;
}

/** @throws LockstepError DIVERGED that names the ranks whose value is not the most frequent one. */
export function sameEverywhere(
  values: readonly string[],
  what: string,
  nameOf: (rank: number) => string,
): void {
  const counts = new Map<string, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  if (counts.size <= 1) return;
  const most = Math.max(...counts.values());
  const common = values.find((value) => counts.get(value) === most);
  const tie = [...counts.values()].filter((count) => count === most).length > 1;
  const odd = values.flatMap((value, rank) => (value === common ? [] : [`${nameOf(rank)} (${value})`]));
  throw new LockstepError(
    'DIVERGED',
    `Replicas differ in their ${what}: ${odd.join(', ')} against ${common}${tie ? ' (no majority)' : ''}.`,
    { hint: 'Are all devices and thread counts equal? The last checkpoint was proven equal everywhere.' },
  );
}
