import { expect, it } from 'vitest';
import { sparkline } from './sparkline.js';

it('goes from the least to the greatest value', () => {
  expect(sparkline([0, 1, 2, 3, 4, 5, 6, 7], 8)).toBe('▁▂▃▄▅▆▇█');
  expect(sparkline([3, -1, 3], 8)).toBe('█▁█');
});

it('shows means when there is no room for every value', () => {
  expect(sparkline([0, 2, 7, 9, 4, 4], 3)).toBe('▁█▄');
  // 10 values in 3 bins of 3, 3 and 4: none is left out, none counts twice.
  expect(sparkline([0, 0, 0, 1, 1, 1, 2, 2, 2, 2], 3)).toBe('▁▅█');
});

it('draws a constant in the middle, nothing for nothing, and marks what is no number', () => {
  expect(sparkline([2, 2], 8)).toBe('▅▅');
  expect(sparkline([], 8)).toBe('');
  expect(sparkline([1, Number.NaN, 2], 8)).toBe('▁×█');
  expect(sparkline([Number.NaN], 8)).toBe('×');
});
