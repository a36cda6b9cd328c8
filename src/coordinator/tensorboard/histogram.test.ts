import { describe, expect, it } from 'vitest';
import { histogramOf } from './histogram.js';

describe('a histogram', () => {
  it('counts every value once, in 30 buckets from the least to the greatest', () => {
    const values = Float32Array.from({ length: 31 }, (_, i) => i);
    const { limits, counts, ...summed } = histogramOf(values)!;
    expect(summed).toEqual({ min: 0, max: 30, count: 31, sum: 465, sumSquares: 9455 });
    expect(limits).toEqual(Array.from({ length: 30 }, (_, i) => expect.closeTo(i + 1, 9)));
    expect(limits.at(-1)).toBe(30);
    // A bucket begins where the one before ends; the greatest value belongs to the last.
    expect(counts).toEqual([...Array.from({ length: 29 }, () => 1), 2]);
  });

  it('of one value has one bucket', () => {
    expect(histogramOf(Float32Array.of(2, 2))).toEqual({
      min: 2,
      max: 2,
      count: 2,
      sum: 4,
      sumSquares: 8,
      limits: [2],
      counts: [2],
    });
  });

  it('passes over what is not finite', () => {
    expect(histogramOf(Float32Array.of(Number.NaN, 1, Number.POSITIVE_INFINITY, 3))).toMatchObject({
      min: 1,
      max: 3,
      count: 2,
    });
    expect(histogramOf(Float32Array.of(Number.NaN))).toBeUndefined();
    expect(histogramOf(new Float32Array(0))).toBeUndefined();
  });
});
