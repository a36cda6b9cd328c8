/** Float64 tools that numerical tests are written with: random data, finite differences, comparison. */
import type { Tensor } from '@tensorflow/tfjs-node-gpu';
import { expect } from 'vitest';
import { tf } from '../src/shared/engine/tensorflow.js';
import { normal } from '../src/shared/random/keyed.js';

/** `count` draws from N(0, 1), rounded to float32 so that tfjs and float64 code get the same numbers. */
export function draws(count: number, name: string): Float64Array {
  return Float64Array.from({ length: count }, (_, i) => Math.fround(normal(1, name, i)));
}

/** df/dx by central differences in float64. */
export function finiteDifferences(f: (x: Float64Array) => number, x: Float64Array, h = 1e-5): Float64Array {
  return x.map((value, i) => {
    const at = (y: number) => f(x.with(i, y));
    return (at(value + h) - at(value - h)) / (2 * h);
  });
}

export function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

/** The largest difference is at most `relative` times the largest expected magnitude. */
export function expectClose(found: Tensor, expected: ArrayLike<number>, relative: number): void {
  const values = found.dataSync();
  expect(values.length).toBe(expected.length);
  let scale = 0;
  let worst = 0;
  for (let i = 0; i < values.length; i++) {
    scale = Math.max(scale, Math.abs(expected[i]!));
    worst = Math.max(worst, Math.abs(values[i]! - expected[i]!));
  }
  expect(Number.isNaN(worst)).toBe(false);
  expect(worst, `of a scale of ${scale}`).toBeLessThanOrEqual(relative * scale);
}

interface Case {
  /** The operation under test. */
  readonly op: (...inputs: never[]) => Tensor;
  /** The same in float64, on flat row-major arrays. */
  readonly reference: (...inputs: Float64Array[]) => ArrayLike<number>;
  readonly shapes: readonly (readonly number[])[];
  /** Inputs; drawn from N(0, 1) by default. */
  readonly inputs?: readonly Float64Array[];
  /** Of the comparison. Default 1e-5 for values, ten times as much for gradients. */
  readonly relative?: number;
}

/**
 * Holds an operation's value against the reference, and its gradients against finite differences of the reference, by
 * L = Σ r·y with random r.
 */
export function expectOperation({ op, reference, shapes, relative = 1e-5, ...rest }: Case): void {
  const inputs =
    rest.inputs ??
    shapes.map((shape, i) =>
      draws(
        shape.reduce((a, b) => a * b, 1),
        `input ${i}`,
      ),
    );
  tf.tidy(() => {
    const tensors = inputs.map((x, i) => tf.tensor(Float32Array.from(x), [...shapes[i]!]));
    const expected = reference(...inputs);
    expectClose(op(...(tensors as never[])), expected, relative);
    const r = draws(expected.length, 'direction');
    const loss = (...x: Tensor[]) => {
      const y = op(...(x as never[]));
      return tf.sum(tf.mul(y, tf.tensor(Float32Array.from(r), y.shape)));
    };
    const gradients = tf.grads(loss)(tensors);
    for (const [i, x] of inputs.entries()) {
      const along = (value: Float64Array) => dot(r, reference(...inputs.with(i, value)));
      expectClose(gradients[i]!, finiteDifferences(along, x), 10 * relative);
    }
  });
}
