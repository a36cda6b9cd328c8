/** How often an arm of a comparison has diverged, in words. */
import type { ComparedRun } from './comparison-schema.js';
import type { ArmResult } from './results.js';

/**
 * `b diverged with 1 of 3 seeds`; undefined for an arm that has not.
 * @param planned seeds of the comparison
 */
export function divergedText(
  { arm, diverged }: Pick<ArmResult, 'arm' | 'diverged'>,
  planned: number,
): string | undefined {
  const { length } = diverged;
  if (length === 0) return undefined;
  if (planned === 1) return `${arm} diverged with seed ${diverged[0]}`;
  if (length < planned) return `${arm} diverged with ${length} of ${planned} seeds`;
  return `${arm} diverged with ${planned === 2 ? 'both' : `all ${planned}`} seeds`;
}

/** What an arm's numbers leave out, with the reason for each seed; undefined for an arm that has not diverged. */
export function divergedCaveat(
  result: ArmResult,
  runs: readonly ComparedRun[],
  planned: number,
): string | undefined {
  const text = divergedText(result, planned);
  if (text === undefined) return undefined;
  const reasons = runs.flatMap(({ arm, seed, diverged }) =>
    arm === result.arm && diverged !== undefined ? [`Seed ${seed}: ${diverged}`] : [],
  );
  const numbers =
    result.accuracy === null
      ? `, and has no accuracy${result.diverged.length < planned ? ' yet' : ''}`
      : '; its mean, interval and seconds are over the others, and say nothing of how often it diverges';
  return `${text}${numbers}. ${reasons.join(' ')}`;
}
