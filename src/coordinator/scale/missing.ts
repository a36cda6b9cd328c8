/** Runs without a result, in words. */
import type { MissingRun } from './study.js';

/** One line for each number of workers and reason. */
export function describeMissing(missing: readonly MissingRun[]): string[] {
  const lines = new Map<
    string,
    { readonly workers: number; readonly why: string; readonly runs: number[] }
  >();
  for (const { workers, repeat, why } of missing) {
    const key = `${workers} ${why}`;
    const line = lines.get(key) ?? { workers, why, runs: [] };
    line.runs.push(repeat + 1);
    lines.set(key, line);
  }
  return [...lines.values()]
    .sort((one, other) => one.workers - other.workers)
    .map(({ workers, why, runs }) => {
      const which = `${runs.length === 1 ? 'run' : 'runs'} ${runs.sort((a, b) => a - b).join(', ')}`;
      return `Missing: ${workers} ${workers === 1 ? 'worker' : 'workers'}, ${which}: ${why}`;
    });
}
