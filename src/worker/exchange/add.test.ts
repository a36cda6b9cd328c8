import { describe, expect, it } from 'vitest';
import { bits, gradient, seeded } from '../../../test/allreduce-fixture.js';
import { addInto } from './add.js';

describe('addInto', () => {
  // Around a vector, and many of them.
  it.each([0, 1, 7, 8, 9, 15, 16, 17, 40_001])('adds %d floats as IEEE float32', (length) => {
    const random = seeded(length);
    const a = gradient(length, random);
    const b = gradient(length, random);
    const out = new Float32Array(length);
    addInto(out, a, b);
    const expected = a.map((value, i) => Math.fround(value + b[i]!));
    expect(bits(out).equals(bits(expected))).toBe(true);
  });

  it('keeps infinities, NaN, signed zeros and denormals', () => {
    const a = Float32Array.of(Infinity, Infinity, Number.NaN, -0, -0, 1e-45, 3e38, 1);
    const b = Float32Array.of(1, -Infinity, 1, -0, 0, 1e-45, 3e38, 2 ** -24);
    const out = new Float32Array(8);
    addInto(out, a, b);
    expect([...out]).toEqual([Infinity, Number.NaN, Number.NaN, -0, 0, Math.fround(2.8e-45), Infinity, 1]);
  });

  it('may write over what it reads', () => {
    for (const which of ['a', 'b'] as const) {
      const given = { a: gradient(1003, seeded(1)), b: gradient(1003, seeded(2)) };
      const expected = given.a.map((value, i) => value + given.b[i]!);
      addInto(given[which], given.a, given.b);
      expect(bits(given[which]).equals(bits(expected))).toBe(true);
    }
  });

  it('adds views that begin anywhere, and writes nothing beside them', () => {
    const a = gradient(100, seeded(1));
    for (const from of [0, 1, 2, 3, 4, 5, 6, 7, 8]) {
      const out = new Float32Array(120).fill(-7);
      addInto(out.subarray(from, from + 50), a.subarray(3, 53), a.subarray(50, 100));
      const expected = Float32Array.from({ length: 120 }, (_, i) =>
        i < from || i >= from + 50 ? -7 : a[i - from + 3]! + a[i - from + 50]!,
      );
      expect(bits(out).equals(bits(expected))).toBe(true);
    }
  });

  it('refuses other lengths', () => {
    const three = new Float32Array(3);
    expect(() => addInto(three, three, new Float32Array(2))).toThrow('3 and 2 floats');
  });
});
