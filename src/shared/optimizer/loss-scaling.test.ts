import { describe, expect, test } from 'vitest';
import fixture from '../../../test/fixtures/optimizers.json' with { type: 'json' };
import { tf } from '../engine/tensorflow.js';
import { initialLossScale, nextLossScale } from './loss-scaling.js';

/** Scale, good steps in a row and skipped steps after each step; `overflows` says which have overflowed. */
function states(initial: number, growthInterval: number, overflows: readonly boolean[]): number[][] {
  let state = initialLossScale(initial);
  return overflows.map((overflow) => {
    const next = nextLossScale(tf.tensor1d([...state]), tf.scalar(!overflow, 'bool'), growthInterval);
    state = [...next.dataSync()];
    return [...state];
  });
}

test("the scale goes as that of PyTorch's gradient scaler", () => {
  const overflows = fixture.lossScales.map(([overflow]) => overflow === 1);
  expect(overflows).toContain(true);
  let skipped = 0;
  const expected = fixture.lossScales.map(([overflow, scale, good]) => {
    skipped += overflow!;
    return [scale, good, skipped];
  });
  expect(states(1024, 3, overflows)).toEqual(expected);
});

describe('it stays', () => {
  test('at 1 or more', () => {
    expect(states(2, 10, [true, true, true]).map(([scale]) => scale)).toEqual([1, 1, 1]);
  });

  test('where it and its inverse are normal numbers', () => {
    expect(states(2 ** 125, 1, [false, false, false]).map(([scale]) => scale)).toEqual([
      2 ** 126,
      2 ** 126,
      2 ** 126,
    ]);
  });
});
