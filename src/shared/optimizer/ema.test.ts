import { expect, test } from 'vitest';
import { emaDecay } from './ema.js';

test('the average forgets fast at first, and then as the config says', () => {
  expect([1, 2, 90].map((update) => emaDecay(0.99, update))).toEqual([2 / 11, 3 / 12, 91 / 100]);
  expect(emaDecay(0.99, 890)).toBe(0.99);
  expect(emaDecay(0.99, 10_000)).toBe(0.99);
});
