import { type Add, split } from '../src/shared/plan/tree.js';

/** The sum over all leaves by recursion: what every other way of adding must equal, bit for bit. */
export function reduceTree<T>(leaves: number, leaf: (index: number) => T, add: Add<T>): T {
  const sum = (lo: number, hi: number): T => {
    if (hi - lo === 1) return leaf(lo);
    const middle = split(lo, hi);
    const left = sum(lo, middle);
    return add(left, sum(middle, hi));
  };
  return sum(0, leaves);
}
