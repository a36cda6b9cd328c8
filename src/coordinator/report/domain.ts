/** What a vertical axis shows: all values, unless a few of them would squeeze the rest into a line. */
import { quantile } from './thin.js';

export interface Domain {
  readonly low: number;
  readonly high: number;
  readonly log: boolean;
  /** Values that lie outside. */
  readonly beyond: readonly number[];
}

export interface DomainOptions {
  /** The axis begins at zero. */
  readonly zero?: boolean;
  /** Logarithmic where positive values span more than a factor of 20. */
  readonly mayBeLog?: boolean;
}

/** Shares of the values that must be seen: what is outside of them may be cut off. */
const kept = [0.01, 0.99] as const;

/** Values that are not finite take no part; of none at all the axis is 0 to 1. */
export function domainOf(values: readonly number[], { zero, mayBeLog }: DomainOptions = {}): Domain {
  const sorted = values.filter((value) => Number.isFinite(value)).sort((a, b) => a - b);
  const least = sorted[0];
  const most = sorted.at(-1);
  if (least === undefined || most === undefined) return { low: 0, high: 1, log: false, beyond: [] };
  if (mayBeLog && least > 0 && most / least > 20) return { low: least, high: most, log: true, beyond: [] };
  const low = zero ? 0 : quantile(sorted, kept[0]);
  const high = quantile(sorted, kept[1]);
  const full = zero ? most : most - least;
  const usual = high - low;
  if (full <= 1.6 * usual || usual <= 0) return padded(zero ? Math.min(0, least) : least, most, zero);
  const margin = 0.12 * usual;
  const cut = padded(zero ? 0 : Math.max(least, low - margin), Math.min(most, high + margin), zero);
  return { ...cut, beyond: sorted.filter((value) => value < cut.low || value > cut.high) };
}

/** A constant gets an axis, too. */
function padded(low: number, high: number, zero = false): Domain {
  const room = high > low ? 0 : Math.abs(high) * 0.1 || 1;
  return { low: zero ? low : low - room, high: high + room, log: false, beyond: [] };
}
