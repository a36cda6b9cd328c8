import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { permutation } from './permutation.js';

test('has the values that an independent implementation in Python gives', () => {
  expect([...permutation(12, 1, 0)]).toEqual([6, 0, 8, 4, 11, 9, 3, 5, 2, 1, 7, 10]);
  expect([...permutation(12, 1, 1)]).toEqual([1, 9, 2, 10, 4, 6, 3, 5, 8, 0, 7, 11]);
  expect(
    createHash('sha256')
      .update(permutation(50_000, 1, 0))
      .digest('hex'),
  ).toBe('75ff9308cf6c2eb2284fbbe9cf9f7be6aac64465eaca8853a7be3890e6a0ee53');
});

test('holds every index once', () => {
  for (const n of [0, 1, 2, 1000]) {
    expect([...permutation(n, 5, 3)].sort((a, b) => a - b)).toEqual(Array.from({ length: n }, (_, i) => i));
  }
});

test('all orders of four are about equally frequent', () => {
  const counts = new Map<string, number>();
  for (let epoch = 0; epoch < 4800; epoch++) {
    const order = permutation(4, 1, epoch).join();
    counts.set(order, (counts.get(order) ?? 0) + 1);
  }
  expect(counts.size).toBe(24);
  const chiSquare = [...counts.values()].reduce((sum, count) => sum + (count - 200) ** 2 / 200, 0);
  // 23 degrees of freedom: 52 is exceeded once in 2,000 seeds.
  expect(chiSquare).toBeLessThan(52);
});
