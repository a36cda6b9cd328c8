import { describe, expect, it } from 'vitest';
import { bits, gradient, seeded, upperHalves, widened } from '../../../test/allreduce-fixture.js';
import { addInto, setInto } from './add.js';

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

  it.each([0, 1, 7, 8, 9, 15, 16, 17, 40_001])(
    'adds %d bfloat16 values as the float32 they are',
    (length) => {
      const random = seeded(length);
      const floats = gradient(length, random);
      const [one, other] = [upperHalves(gradient(length, random)), upperHalves(gradient(length, random))];
      const expectSum = (out: Float32Array, a: Float32Array, b: Float32Array) =>
        expect(bits(out).equals(bits(a.map((value, i) => value + b[i]!)))).toBe(true);
      // Past the caches from where a vector may begin, and through them from anywhere else.
      for (const from of [0, 1]) {
        const out = new Float32Array(length + 1).subarray(from, from + length);
        addInto(out, one, other);
        expectSum(out, widened(one), widened(other));
        addInto(out, floats, other);
        expectSum(out, floats, widened(other));
        addInto(out, one, floats);
        expectSum(out, widened(one), floats);
      }
      const over = floats.slice();
      addInto(over, over, other);
      expectSum(over, floats, widened(other));
    },
  );

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
    expect(() => addInto(three, three, new Float32Array(2))).toThrow('3 and 2 values');
    expect(() => addInto(three, new Uint16Array(4), three)).toThrow('4 and 3 values');
  });
});

describe('setInto', () => {
  it.each([0, 1, 7, 8, 9, 15, 16, 17, 40_001])(
    'copies %d values, and writes nothing beside them',
    (length) => {
      const halves = upperHalves(gradient(length, seeded(length)));
      for (const values of [halves, widened(halves)]) {
        for (const from of [0, 1]) {
          const out = new Float32Array(length + 2).fill(-7);
          setInto(out.subarray(from, from + length), values);
          const expected = new Float32Array(length + 2).fill(-7);
          expected.set(widened(halves), from);
          expect(bits(out).equals(bits(expected))).toBe(true);
        }
      }
    },
  );

  it('keeps infinities, NaN, signed zeros and denormals', () => {
    const values = Float32Array.of(Infinity, -Infinity, Number.NaN, -0, 0, 1e-39, 1, 2);
    const out = new Float32Array(8);
    setInto(out, upperHalves(values));
    expect([...out]).toEqual([...widened(upperHalves(values))]);
    expect([...out.subarray(0, 5)]).toEqual([Infinity, -Infinity, Number.NaN, -0, 0]);
    expect(out[5]).toBeGreaterThan(0);
  });

  it('refuses other lengths', () => {
    expect(() => setInto(new Float32Array(3), new Uint16Array(2))).toThrow('2 values do not fill 3');
  });
});

describe('squares', () => {
  /** In eight parts, as add.cc says: with the same bits. */
  const squaresOf = (values: Float32Array, block: number) => {
    const sums: number[] = [];
    for (let from = 0; from < values.length; from += block) {
      const parts = new Array<number>(8).fill(0);
      values.subarray(from, from + block).forEach((value, i) => {
        parts[i % 8]! += value * value;
      });
      const pairs = [0, 2, 4, 6].map((i) => parts[i]! + parts[i + 1]!);
      sums.push(pairs[0]! + pairs[1]! + (pairs[2]! + pairs[3]!));
    }
    return sums;
  };
  const taken = (length: number, block = 16) => ({
    block,
    sums: new Float64Array(Math.ceil(length / block)).fill(-1),
  });

  // Less than the four blocks that are computed together, and more; blocks of a line, of lines, and of lines and a rest.
  const cases = [0, 1, 15, 16, 17, 1003, 20_000].flatMap((length) =>
    [16, 20, 64, 4096].map((block) => [length, block] as const),
  );
  it.each(cases)('of %d results are summed over blocks of %d', (length, block) => {
    const random = seeded(length);
    const [a, b] = [gradient(length, random), gradient(length, random)];
    const [halfA, halfB] = [upperHalves(a), upperHalves(b)];
    const floatsB = widened(halfB);
    for (const from of [0, 1]) {
      const out = new Float32Array(length + 1).subarray(from, from + length);
      const calls: [(squares: ReturnType<typeof taken>) => void, Float32Array][] = [
        [(squares) => addInto(out, a, b, squares), a.map((value, i) => value + b[i]!)],
        [(squares) => addInto(out, a, halfB, squares), a.map((value, i) => value + floatsB[i]!)],
        [(squares) => setInto(out, a, squares), a],
        [(squares) => setInto(out, halfA, squares), widened(halfA)],
        [(squares) => setInto(out, out, squares), widened(halfA)],
      ];
      for (const [call, expected] of calls) {
        const squares = taken(length, block);
        call(squares);
        expect(bits(out).equals(bits(expected))).toBe(true);
        expect([...squares.sums]).toEqual(squaresOf(out, block));
      }
    }
  });

  it('are not finite where a result is not, and hold what float32 can not', () => {
    const out = new Float32Array(20);
    const values = new Float32Array(20);
    values.set([1e30, Number.NaN], 15);
    const squares = taken(20);
    setInto(out, values, squares);
    expect(squares.sums[0]).toBe(Math.fround(1e30) ** 2);
    expect(squares.sums[1]).toBeNaN();
    values[16] = Number.NEGATIVE_INFINITY;
    setInto(out, values, squares);
    expect(squares.sums[1]).toBe(Number.POSITIVE_INFINITY);
  });

  it('need a place for every block', () => {
    const values = new Float32Array(17);
    expect(() => setInto(values, values, taken(16))).toThrow('17 values are not 1 blocks of 16');
  });
});
