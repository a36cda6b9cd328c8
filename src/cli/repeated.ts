/** Options that are given twice. */
import { LockstepError } from '../shared/errors.js';

/** Whose values are lists: everything else is given once. */
const lists: ReadonlySet<string> = new Set(['_', 'set', 'runs']);

/**
 * Of an option that is given twice yargs makes an array, whatever its type: no command expects that.
 *
 * @throws LockstepError USAGE
 */
export function refuseRepeated(args: Readonly<Record<string, unknown>>): true {
  for (const [option, value] of Object.entries(args)) {
    if (lists.has(option) || !Array.isArray(value)) continue;
    throw new LockstepError('USAGE', `--${option} is given ${value.length} times.`, {
      hint: 'Give it once.',
    });
  }
  return true;
}
