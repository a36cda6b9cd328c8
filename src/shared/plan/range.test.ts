import { expect, test } from 'vitest';
import { rangeOf } from './range.js';

test('ranges cover the micro-batches in order, and differ by one at most', () => {
  for (let k = 1; k <= 40; k++) {
    for (let n = 1; n <= k; n++) {
      let next = 0;
      for (let rank = 0; rank < n; rank++) {
        const { lo, hi } = rangeOf(rank, n, k);
        expect(lo).toBe(next);
        expect([Math.floor(k / n), Math.ceil(k / n)]).toContain(hi - lo);
        next = hi;
      }
      expect(next).toBe(k);
    }
  }
});

test('more workers than micro-batches is a config error that says what to do', () => {
  expect(() => rangeOf(0, 5, 4)).toThrow(
    expect.objectContaining({
      code: 'CONFIG',
      line: "5 workers can't share 4 micro-batches. Start at most 4 workers, or raise batch.microBatches.",
    }),
  );
  expect(() => rangeOf(2, 2, 4)).toThrow(RangeError);
});
