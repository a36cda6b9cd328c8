import { expect, test } from 'vitest';
import { normalQuantile } from './normal-quantile.js';

// From Python's statistics.NormalDist().inv_cdf; the ends of the hash's range, and both sides of every branch.
test.each([
  [0.5 / 2 ** 32, -6.337957754553789],
  [1e-6, -4.753424308822899],
  [0.01, -2.3263478740408408],
  [0.0749, -1.4402382675279632],
  [0.075, -1.4395314709384557],
  [0.3, -0.5244005127080407],
  [0.5, 0],
  [0.6, 0.2533471031357998],
  [0.925, 1.439531470938456],
  [0.99, 2.3263478740408408],
  [1 - 0.5 / 2 ** 32, 6.337957754553789],
])('the quantile of %f', (p, expected) => {
  expect(Math.abs(normalQuantile(p) - expected)).toBeLessThanOrEqual(2e-15 * Math.abs(expected));
});
