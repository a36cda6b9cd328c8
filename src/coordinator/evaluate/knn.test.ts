import { describe, expect, it } from 'vitest';
import { merge, type Neighbours, vote } from './knn.js';

const list = (k: number, pairs: readonly (readonly [number, number])[]): Neighbours => ({
  k,
  similarities: Float32Array.from(pairs, ([similarity]) => similarity),
  images: Int32Array.from(pairs, ([, image]) => image),
});
const none = [-4, -1] as const;

describe('neighbours of several workers', () => {
  it('are put together: nearer ones first, of equal ones the earlier image, whoever has it', () => {
    const one = list(3, [[0.9, 4], [0.5, 5], [0.5, 6], [0.7, 9], none, none]);
    const other = list(3, [[0.9, 2], [0.5, 1], [0.1, 0], [0.8, 3], [0.7, 1], none]);
    const expected = list(3, [
      [0.9, 2],
      [0.9, 4],
      [0.5, 1],
      [0.8, 3],
      [0.7, 1],
      [0.7, 9],
    ]);
    expect(merge([one, other], 2, 3)).toEqual(expected);
    expect(merge([other, one], 2, 3)).toEqual(expected);
  });

  it('of a worker that has no images are none', () => {
    const empty = list(2, [none, none]);
    const full = list(2, [
      [0.5, 7],
      [0.4, 8],
    ]);
    expect(merge([empty, full, empty], 1, 2)).toEqual(full);
    expect(() => merge([empty], 1, 2)).toThrow('There are no 2 neighbours');
  });
});

describe('votes', () => {
  const labels = Uint8Array.of(0, 0, 1, 2);
  it('are one each, or weighted by exp(s/T); of equal classes the first wins', () => {
    // Two of class 0 at 0, one of class 1 at 0.07: 2 against e.
    const near = list(3, [
      [0.07, 2],
      [0, 0],
      [0, 1],
    ]);
    expect([...vote(near, labels, 3, null)]).toEqual([0]);
    expect([...vote(near, labels, 3, 0.07)]).toEqual([1]);
    expect([...vote(near, labels, 3, 0.2)]).toEqual([0]);
    expect([
      ...vote(
        list(2, [
          [0.3, 3],
          [0.3, 2],
        ]),
        labels,
        3,
        0.07,
      ),
    ]).toEqual([1]);
  });
});
