import { describe, expect, it } from 'vitest';
import { copyInto } from './copy.js';

describe('copyInto', () => {
  // Less than what is copied at once, that and a rest, and several times.
  it.each([0, 1, 4095, 4096, 4097, 20_000])('copies %d values, and writes nothing beside them', (length) => {
    for (const from of [0, 8, 1]) {
      const floats = Float32Array.from({ length: length + 1 }, (_, i) => Math.sin(i)).subarray(1);
      const target = new Float32Array(length + 16).fill(-7);
      copyInto(target.subarray(from, from + length), floats);
      const expected = new Float32Array(length + 16).fill(-7);
      expected.set(floats, from);
      expect(target).toEqual(expected);

      const halves = Uint16Array.from({ length }, (_, i) => i * 7919);
      const half = new Uint16Array(length + 16).fill(7);
      copyInto(half.subarray(from, from + length), halves);
      expect(half.subarray(from, from + length)).toEqual(halves);
      expect([...half.subarray(0, from), ...half.subarray(from + length)]).toEqual(new Array(16).fill(7));
    }
  });

  it('refuses other lengths and types', () => {
    expect(() => copyInto(new Float32Array(3), new Float32Array(2))).toThrow(RangeError);
    expect(() => copyInto<Float32Array | Uint16Array>(new Float32Array(2), new Uint16Array(2))).toThrow(
      RangeError,
    );
  });
});
