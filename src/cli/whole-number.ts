/** Options that count something. */
import { LockstepError } from '../shared/errors.js';

/**
 * @param option as it is written, for the error message
 * @throws LockstepError USAGE for anything but a whole number in [from, to]
 */
export function wholeNumber(option: string, value: number, from = 1, to = Number.MAX_SAFE_INTEGER): number {
  if (Number.isInteger(value) && value >= from && value <= to) return value;
  const range = to === Number.MAX_SAFE_INTEGER ? `from ${from}` : `from ${from} to ${to}`;
  throw new LockstepError('USAGE', `${option} takes a whole number ${range}, not ${value}.`);
}

/**
 * @param text whole numbers from 1 with commas between, as in 1,2,4
 * @throws LockstepError USAGE
 */
export function wholeNumbers(option: string, text: string): number[] {
  return text.split(',').map((number) => wholeNumber(option, Number(number)));
}
