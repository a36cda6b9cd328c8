import { describe, expect, it } from 'vitest';
import { normal } from '../../shared/random/keyed.js';
import { combineMoments, combineSums } from './moments.js';

const K = 5;
const perMicroBatch = 64;

/** Two channels: one around 0 that drifts from part to part, one whose mean is 10⁵ times its deviation. */
const value = (k: number, i: number, c: number): number =>
  c === 0 ? normal(3, 'a', k, i) + k : 1000 + normal(3, 'b', k, i) / 100;

function moments(values: readonly number[]): { mean: number; variance: number } {
  const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
  return { mean, variance: values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length };
}

const indices = (length: number) => Array.from({ length }, (_, i) => i);
const part = (k: number, c: number) => indices(perMicroBatch).map((i) => value(k, i, c));

describe('combineMoments', () => {
  it('gives mean and variance of all values together, also where the mean is large', () => {
    const rows = Float32Array.from(
      indices(K).flatMap((k) => {
        const [a, b] = [moments(part(k, 0)), moments(part(k, 1))];
        return [a.mean, b.mean, a.variance, b.variance];
      }),
    );
    const found = combineMoments(rows, K);
    for (const c of [0, 1]) {
      const { mean, variance } = moments(indices(K).flatMap((k) => part(k, c)));
      expect(found[c]! / mean).toBeCloseTo(1, 6);
      // What float32 means of 1000 ± 3·10⁻⁵ can tell of a variance of 10⁻⁴.
      expect(found[2 + c]! / variance).toBeCloseTo(1, c === 0 ? 6 : 3);
    }
  });

  it('of one micro-batch is the micro-batch', () => {
    expect(combineMoments(Float32Array.of(0.1, 0.2, 0.3, 0.4), 1)).toEqual(
      Float32Array.of(0.1, 0.2, 0.3, 0.4),
    );
  });

  it('a constant channel has no variance, whatever its value', () => {
    expect(combineMoments(Float32Array.of(0.1, 0, 0.1, 0, 0.1, 0), 3)).toEqual(Float32Array.of(0.1, 0));
  });
});

describe('combineSums', () => {
  it('adds in float64 and rounds once', () => {
    const rows = Float32Array.of(1e8, 1, 1, 2, -1e8, 3);
    expect(combineSums(rows, 3)).toEqual(Float32Array.of(1, 6));
  });
});
