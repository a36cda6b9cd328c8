/** A mean over repeats whose spread adds, as that of accuracies does; for times and rates see estimate.ts. */
import { confidence, deviation, meanOf } from './estimate.js';
import { studentQuantile } from './student.js';

export interface Mean {
  readonly mean: number;
  /** The standard deviation of a sample; null for fewer than two values. */
  readonly deviation: number | null;
  /** 95 % interval of the mean by Student's t; null where no spread was seen: of one value, or of equal ones. */
  readonly interval: readonly [number, number] | null;
}

/** Null of no values. */
export function meanWithSpread(values: readonly number[]): Mean | null {
  const { length } = values;
  if (length === 0) return null;
  const mean = meanOf(values);
  if (length === 1) return { mean, deviation: null, interval: null };
  const spread = deviation(values);
  const half = (studentQuantile(confidence, length - 1) * spread) / Math.sqrt(length);
  // Equal values differ from their mean by rounding, and tell nothing of how far the next one would be off.
  const equal = values.every((value) => value === values[0]);
  return {
    mean,
    deviation: equal ? 0 : spread,
    interval: equal ? null : [mean - half, mean + half],
  };
}
