import { describe, expect, it } from 'vitest';
import { wholeNumber } from './whole-number.js';

describe('an option that counts', () => {
  it('is a whole number in its range', () => {
    expect(wholeNumber('--workers', 1)).toBe(1);
    expect(wholeNumber('--warmup', 0, 0)).toBe(0);
    expect(wholeNumber('--workers', 64, 1, 64)).toBe(64);
  });

  it.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY])('is not %d', (value) => {
    expect(() => wholeNumber('--workers', value)).toThrow(
      `--workers takes a whole number from 1, not ${value}.`,
    );
  });

  it('says how far its range goes', () => {
    expect(() => wholeNumber('--workers', 65, 1, 64)).toThrow('a whole number from 1 to 64, not 65.');
  });
});
