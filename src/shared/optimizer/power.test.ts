import { describe, expect, it } from 'vitest';
import { power } from './power.js';

describe('a power', () => {
  it.each([0, 1, 2, 3, 7, 8, 1000])('is exact where products are: 2^%i', (exponent) => {
    expect(power(2, exponent)).toBe(Number(2n ** BigInt(exponent)));
  });

  it.each([
    // 0.9^10 in decimals is exact with ten digits after the point; the others by Python's decimal with 50 digits.
    [0.9, 10, 0.3486784401],
    [0.999, 12_345, 4.324661796025681e-6],
    [0.999, 1_000_000, 0],
  ])('%f^%i', (base, exponent, expected) => {
    expect(Math.abs(power(base, exponent) - expected)).toBeLessThanOrEqual(1e-9 * expected);
  });
});
