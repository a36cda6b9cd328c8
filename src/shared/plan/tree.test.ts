import { describe, expect, test } from 'vitest';
import { reduceTree } from '../../../test/reduce-tree.js';
import { uniform } from '../random/keyed.js';
import { permutation } from '../random/permutation.js';
import { rangeOf } from './range.js';
import { coveringNodes, split, TreeAccumulator } from './tree.js';

/** Values of very different size, so that float32 addition depends on its order. */
const leaf = (k: number): number => Math.fround((uniform(1, 'leaf', k) - 0.5) * 10 ** ((k * 7) % 5));
const add = (a: number, b: number): number => Math.fround(a + b);
/** Shows the whole order of addition. */
const spell = (a: string, b: string): string => `(${a}+${b})`;

test('a node is cut at the largest power of two that leaves the right child something', () => {
  expect(split(0, 2)).toBe(1);
  expect(split(0, 5)).toBe(4);
  expect(split(0, 8)).toBe(4);
  expect(split(8, 11)).toBe(10);
  expect(() => split(3, 4)).toThrow(RangeError);
  expect(reduceTree(6, String, spell)).toBe('(((0+1)+(2+3))+(4+5))');
});

test('equal shares of a power of two are whole nodes', () => {
  expect(coveringNodes(4, 8, 16)).toEqual([{ lo: 4, hi: 8 }]);
  expect(coveringNodes(2, 5, 8)).toEqual([
    { lo: 2, hi: 4 },
    { lo: 4, hi: 5 },
  ]);
  expect(coveringNodes(3, 3, 8)).toEqual([]);
  expect(() => coveringNodes(3, 9, 8)).toThrow(RangeError);
});

test('the order matters for the values of the property below', () => {
  let straight = leaf(0);
  for (let k = 1; k < 16; k++) straight = add(straight, leaf(k));
  expect(straight).not.toBe(reduceTree(16, leaf, add));
});

describe('any number of workers gives the bits of one process', () => {
  for (let leaves = 1; leaves <= 17; leaves++) {
    test(`K = ${leaves}`, () => {
      const expected = reduceTree(leaves, leaf, add);
      const spelled = reduceTree(leaves, String, spell);
      for (let worldSize = 1; worldSize <= leaves; worldSize++) {
        const sent: { node: { lo: number; hi: number }; value: number; text: string }[] = [];
        for (let rank = 0; rank < worldSize; rank++) {
          const { lo, hi } = rangeOf(rank, worldSize, leaves);
          const values = new TreeAccumulator(leaves, add);
          const texts = new TreeAccumulator(leaves, spell);
          for (let k = lo; k < hi; k++) {
            values.put({ lo: k, hi: k + 1 }, leaf(k));
            texts.put({ lo: k, hi: k + 1 }, String(k));
            expect(values.entries().length).toBeLessThanOrEqual(1 + 2 * Math.log2(leaves));
          }
          expect(values.entries().map(({ node }) => node)).toEqual(coveringNodes(lo, hi, leaves));
          const spelledNodes = texts.entries();
          for (const [i, { node, value }] of values.entries().entries()) {
            sent.push({ node, value, text: spelledNodes[i]!.value });
          }
        }
        for (let arrival = 0; arrival < 5; arrival++) {
          const values = new TreeAccumulator(leaves, add);
          const texts = new TreeAccumulator(leaves, spell);
          for (const i of permutation(sent.length, 7, arrival)) {
            values.put(sent[i]!.node, sent[i]!.value);
            texts.put(sent[i]!.node, sent[i]!.text);
          }
          expect(values.complete).toBe(true);
          expect(Object.is(values.root, expected)).toBe(true);
          expect(texts.root).toBe(spelled);
        }
      }
    });
  }
});

test('what is no node, or is there already, is refused', () => {
  const sum = new TreeAccumulator(6, spell);
  expect(() => sum.put({ lo: 1, hi: 3 }, '')).toThrow('[1, 3) is no node');
  expect(() => sum.put({ lo: 5, hi: 7 }, '')).toThrow(RangeError);
  expect(() => sum.put({ lo: 2, hi: 2 }, '')).toThrow(RangeError);
  sum.put({ lo: 0, hi: 2 }, 'a');
  expect(() => sum.put({ lo: 0, hi: 2 }, 'a')).toThrow('overlaps');
  expect(() => sum.put({ lo: 1, hi: 2 }, 'a')).toThrow('overlaps');
  expect(() => sum.root).toThrow('not complete');
});
