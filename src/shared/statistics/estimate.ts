/** What repeats of one measurement come to. */
import { studentQuantile } from './student.js';

export interface Estimate {
  readonly median: number;
  /**
   * 95 % interval of the geometric mean: Student's t over the logarithms, since times and rates are positive and what
   * disturbs them is a factor. Null for fewer than two.
   */
  readonly interval: readonly [number, number] | null;
}

export const confidence = 0.95;

/** @param values positive, one a repeat: repeats are independent, which the steps of one run are not */
export function estimate(values: readonly number[]): Estimate {
  const { length } = values;
  if (length < 2) return { median: medianOf(values), interval: null };
  const logs = values.map(Math.log);
  const half = (studentQuantile(confidence, length - 1) * deviation(logs)) / Math.sqrt(length);
  const mean = meanOf(logs);
  return { median: medianOf(values), interval: [Math.exp(mean - half), Math.exp(mean + half)] };
}

export function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** NaN of none. */
export function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return Number.NaN;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The standard deviation of a sample; NaN of fewer than two. */
export function deviation(values: readonly number[]): number {
  const mean = meanOf(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1));
}
