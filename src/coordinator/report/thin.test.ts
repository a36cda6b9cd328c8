import { describe, expect, it } from 'vitest';
import { median, quantile, thin } from './thin.js';

const samples = (...values: number[]) => values.map((y, i) => ({ x: i + 1, y }));

describe('thin', () => {
  it('leaves as many samples as bins alone', () => {
    expect(thin(samples(3, 1), 2)).toEqual([
      { x: 1, min: 3, median: 3, max: 3, count: 1 },
      { x: 2, min: 1, median: 1, max: 1, count: 1 },
    ]);
    expect(thin([], 10)).toEqual([]);
  });

  it('keeps the extremes of every bin, and every sample is in one', () => {
    const bins = thin(samples(5, 1, 3, 9, 2, 2, 8), 2);
    expect(bins).toEqual([
      { x: 2, min: 1, median: 3, max: 5, count: 3 },
      { x: 5.5, min: 2, median: 5, max: 9, count: 4 },
    ]);
  });

  it('a spike of one step in 100,000 survives', () => {
    const many = Array.from({ length: 100_000 }, (_, i) => ({ x: i, y: i === 54_321 ? 1000 : 1 }));
    const bins = thin(many, 100);
    expect(bins).toHaveLength(100);
    expect(bins.filter(({ max }) => max === 1000)).toHaveLength(1);
    expect(bins.every(({ median }) => median === 1)).toBe(true);
  });

  it('leaves out what is not finite, and has a gap where nothing is', () => {
    const [first, second] = thin(samples(Number.NaN, 2, Number.NaN, Number.POSITIVE_INFINITY), 2);
    expect(first).toEqual({ x: 1.5, min: 2, median: 2, max: 2, count: 1 });
    expect(second).toEqual({ x: 3.5, min: Number.NaN, median: Number.NaN, max: Number.NaN, count: 0 });
  });
});

it('quantiles are interpolated', () => {
  expect(quantile([1, 2, 4], 0.75)).toBe(3);
  expect(quantile([], 0.5)).toBeNaN();
  expect(median([4, Number.NaN, 1, 2])).toBe(2);
});
