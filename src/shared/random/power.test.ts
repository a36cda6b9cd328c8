import { expect, it } from 'vitest';
import { power } from './power.js';

it('agrees with Math.pow, and is exact where the root is', () => {
  for (const base of [1e-3, 0.75, 1, 16 / 9, 5000]) {
    for (let i = 0; i < 64; i += 1) {
      const exponent = ((i * 0x1234567) % 2 ** 32) / 2 ** 32;
      expect(power(base, exponent) / base ** exponent).toBeCloseTo(1, 13);
    }
  }
  expect(power(7, 0)).toBe(1);
  expect(power(16, 0.25)).toBe(2);
  expect(power(256, 0.625)).toBe(32);
});
