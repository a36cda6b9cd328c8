/** The order in which an epoch visits the samples: a permutation that seed and epoch fix. */
import { integerBelow } from './keyed.js';

/** A uniform permutation of 0 … n−1 for (seed, epoch): Fisher–Yates from the end, swap i drawn by key. */
export function permutation(n: number, seed: number, epoch: number): Int32Array {
  const order = new Int32Array(n);
  for (let i = 0; i < n; i++) order[i] = i;
  for (let i = n - 1; i > 0; i--) {
    const j = integerBelow(i + 1, seed, 'permutation', epoch, i);
    const held = order[i]!;
    order[i] = order[j]!;
    order[j] = held;
  }
  return order;
}
