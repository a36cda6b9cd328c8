/** The distribution of a tensor's values, in buckets of one width. */

export interface Histogram {
  readonly min: number;
  readonly max: number;
  readonly count: number;
  readonly sum: number;
  readonly sumSquares: number;
  /** The upper end of each bucket; the first begins at `min`. */
  readonly limits: readonly number[];
  readonly counts: readonly number[];
}

/** As many as tf.summary.histogram has. */
const buckets = 30;

/** Of the finite values; undefined when there are none. */
export function histogramOf(values: Float32Array): Histogram | undefined {
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  let count = 0;
  let sum = 0;
  let sumSquares = 0;
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    if (value < min) min = value;
    if (value > max) max = value;
    count += 1;
    sum += value;
    sumSquares += value * value;
  }
  if (count === 0) return undefined;
  const summed = { min, max, count, sum, sumSquares };
  if (min === max) return { ...summed, limits: [max], counts: [count] };
  const counts = new Array<number>(buckets).fill(0);
  const scale = buckets / (max - min);
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    counts[Math.min(buckets - 1, Math.floor((value - min) * scale))]! += 1;
  }
  const limits = counts.map((_, i) => (i === buckets - 1 ? max : min + (i + 1) / scale));
  return { ...summed, limits, counts };
}
