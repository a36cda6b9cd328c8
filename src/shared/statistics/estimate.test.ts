import { describe, expect, it } from 'vitest';
import { estimate } from './estimate.js';
import { studentQuantile } from './student.js';

describe("Student's t", () => {
  it('has the quantiles of scipy.stats.t.ppf', () => {
    // python: scipy.stats.t.ppf((1 + confidence) / 2, freedom)
    expect(studentQuantile(0.95, 1)).toBeCloseTo(12.706204736, 7);
    expect(studentQuantile(0.95, 2)).toBeCloseTo(4.30265273, 8);
    expect(studentQuantile(0.95, 4)).toBeCloseTo(2.776445105, 8);
    expect(studentQuantile(0.99, 7)).toBeCloseTo(3.499483297, 8);
    expect(studentQuantile(0.95, 30)).toBeCloseTo(2.042272456, 8);
  });
});

describe('an estimate', () => {
  it('is the median with an interval of the geometric mean', () => {
    const { median, interval } = estimate([10, 12, 11, 13]);
    expect(median).toBe(11.5);
    // python, with y = numpy.log(x): numpy.exp(scipy.stats.t.interval(0.95, 3, y.mean(), scipy.stats.sem(y)))
    expect(interval![0]).toBeCloseTo(9.56282553, 8);
    expect(interval![1]).toBeCloseTo(13.69848093, 8);
  });

  it('has no interval where nothing was repeated', () => {
    expect(estimate([5])).toEqual({ median: 5, interval: null });
  });
});
