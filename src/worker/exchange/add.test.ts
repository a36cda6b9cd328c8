import { describe, expect, it } from 'vitest';
import { bits, gradient, seeded } from '../../../test/allreduce-fixture.js';
import { addInto } from './add.js';

describe('addInto', () => {
  // Around a turn of the loop, around a block, and more than one block.
  it.each([0, 1, 15, 16, 17, 16_383, 16_384, 16_385, 40_001])('adds %d floats as IEEE float32', (length) => {
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

  it('may write over what it reads, and reads views that begin anywhere', () => {
    const base = Float32Array.from({ length: 100 }, (_, i) => i);
    const a = base.subarray(3, 53);
    addInto(a, a, base.subarray(50, 100));
    expect(base[3]).toBe(53);
    expect(base[2]).toBe(2);
    expect(base[49]).toBe(49 + 96);
    expect(base[53]).toBe(53);
  });
});
