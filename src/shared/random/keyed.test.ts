import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { fillNormal, hash32, integerBelow, type Key, normal, uniform } from './keyed.js';

describe('hash32', () => {
  // Computed in Python by an independent MurmurHash3 (checked against its published vectors) over the encoded bytes.
  test.each<[number, Key, number]>([
    [0, [], 0],
    [1, [], 1364076727],
    [1, [0], 3935659133],
    [1, ['0'], 3374963125],
    [4294967295, ['permutation', 3, 17], 2017011643],
    [7, [-1], 4291035823],
    [7, [Number.MAX_SAFE_INTEGER], 1834855164],
    [7, [Number.MIN_SAFE_INTEGER], 1856692098],
    [42, ['augment', 12, 49999, 'flip'], 1357612628],
    [1, ['ab', 'c'], 2003694357],
    [1, ['a', 'bc'], 1579240309],
    [5, ['ü😀'], 3110054117],
  ])('seed %i, key %j', (seed, key, expected) => {
    expect(hash32(seed, ...key)).toBe(expected);
  });

  test('one bit of the key flips half of the hash', () => {
    for (let bit = 0; bit < 32; bit++) {
      let flipped = 0;
      for (let i = 0; i < 2000; i++) {
        let difference = hash32(1, i) ^ hash32(1, (i ^ (1 << bit)) >>> 0);
        for (; difference !== 0; difference &= difference - 1) flipped++;
      }
      // 64,000 coins: a standard deviation of 0.002.
      expect(flipped / 64_000).toBeCloseTo(0.5, 1.9);
    }
  });

  test('a key that is no safe integer is refused', () => {
    expect(() => hash32(1, 0.5)).toThrow(RangeError);
    expect(() => hash32(1, Number.NaN)).toThrow(RangeError);
    expect(() => hash32(1, 2 ** 53)).toThrow(RangeError);
  });
});

describe('uniform', () => {
  test('fills 256 bins evenly', () => {
    const bins = new Float64Array(256);
    const n = 256 * 400;
    for (let i = 0; i < n; i++) bins[Math.floor(uniform(3, 'u', i) * 256)]!++;
    const chiSquare = bins.reduce((sum, count) => sum + (count - 400) ** 2 / 400, 0);
    // 255 degrees of freedom: mean 255, standard deviation 22.6.
    expect(Math.abs(chiSquare - 255)).toBeLessThan(4 * 22.6);
  });

  test('integerBelow reaches both ends and stays inside', () => {
    const seen = new Set(Array.from({ length: 500 }, (_, i) => integerBelow(9, 3, 'crop', i)));
    expect([...seen].sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  });
});

describe('fillNormal', () => {
  test('has the bits that Python computes with statistics.NormalDist, on every machine', () => {
    const values = new Float32Array(100_000);
    fillNormal(values, 1, 'conv1/kernel');
    expect([...values.subarray(0, 2)]).toEqual([0.3666383624076843, -0.8077268004417419]);
    expect(createHash('sha256').update(values).digest('hex')).toBe(
      '877f55424839ee22f99ca5dc8a78465253a164b864dff78964d73a013e43fa7d',
    );
  });

  test('element i is the normal of the key (name, i)', () => {
    const values = new Float32Array(50);
    fillNormal(values, 9, 'dense/kernel');
    for (const [i, value] of values.entries()) expect(value).toBe(Math.fround(normal(9, 'dense/kernel', i)));
  });

  test('moments are those of N(0, 1), and two names are uncorrelated at every small shift', () => {
    const n = 200_000;
    const a = new Float32Array(n);
    const b = new Float32Array(n);
    fillNormal(a, 1, 'a');
    fillNormal(b, 1, 'b');
    const mean = (f: (i: number) => number): number => {
      let sum = 0;
      for (let i = 0; i < n; i++) sum += f(i);
      return sum / n;
    };
    const tolerance = 5 / Math.sqrt(n);
    expect(Math.abs(mean((i) => a[i]!))).toBeLessThan(tolerance);
    expect(Math.abs(mean((i) => a[i]! ** 2) - 1)).toBeLessThan(tolerance * Math.SQRT2);
    expect(Math.abs(mean((i) => a[i]! ** 3))).toBeLessThan(tolerance * Math.sqrt(15));
    expect(Math.abs(mean((i) => a[i]! ** 4) - 3)).toBeLessThan(tolerance * Math.sqrt(96));
    for (let shift = -3; shift <= 3; shift++) {
      expect(Math.abs(mean((i) => a[i]! * b[(i + shift + n) % n]!))).toBeLessThan(tolerance);
      if (shift > 0) expect(Math.abs(mean((i) => a[i]! * a[(i + shift) % n]!))).toBeLessThan(tolerance);
    }
  });
});
