import { expect, test } from 'vitest';
import { meanWithSpread } from './mean.js';

test('a mean has the deviation and the interval of the textbook', () => {
  const { mean, deviation, interval } = meanWithSpread([0.81, 0.83, 0.8, 0.84])!;
  expect(mean).toBeCloseTo(0.82, 12);
  // numpy.std(x, ddof=1), and x.mean() ± 3.182446305284263 · std / 2: Student's t for 3 degrees of freedom, from tables.
  expect(deviation).toBeCloseTo(0.01825741858, 10);
  expect(interval![0]).toBeCloseTo(0.7909483728, 8);
  expect(interval![1]).toBeCloseTo(0.8490516272, 8);
});

test('has no interval where no spread was seen', () => {
  expect(meanWithSpread([])).toBeNull();
  expect(meanWithSpread([0.5])).toEqual({ mean: 0.5, deviation: null, interval: null });
  // Their mean is not 0.1 but 0.10000000000000002.
  expect(meanWithSpread([0.1, 0.1, 0.1])).toMatchObject({ deviation: 0, interval: null });
});
