import { expect, test } from 'vitest';
import { planBuckets, sliceOf } from './buckets.js';

const options = { bucketBytes: 400, ownBucketBytes: 200 };

test('small tensors share buckets, large ones have their own, in order of completion', () => {
  const tensors = [
    { name: 'a', size: 20 },
    { name: 'large', size: 51 },
    { name: 'b', size: 30 },
    { name: 'c', size: 50 },
    { name: 'd', size: 1 },
  ];
  expect(planBuckets(tensors, options)).toEqual([
    { index: 0, size: 51, entries: [{ name: 'large', offset: 0, size: 51 }] },
    {
      index: 1,
      size: 100,
      entries: [
        { name: 'a', offset: 0, size: 20 },
        { name: 'b', offset: 20, size: 30 },
        { name: 'c', offset: 50, size: 50 },
      ],
    },
    { index: 2, size: 1, entries: [{ name: 'd', offset: 0, size: 1 }] },
  ]);
});

test('a shared bucket that was full before a large tensor came is indexed before it', () => {
  const tensors = [
    { name: 'a', size: 40 },
    { name: 'large', size: 90 },
    { name: 'b', size: 40 },
    { name: 'c', size: 40 },
    { name: 'larger', size: 200 },
  ];
  const names = planBuckets(tensors, options).map(({ entries }) => entries.map(({ name }) => name).join('+'));
  expect(names).toEqual(['large', 'a+b', 'c', 'larger']);
});

test('what mixed precision rounds shares no bucket with what it does not', () => {
  const tensors = [
    { name: 'bias', size: 10 },
    { name: 'kernel', size: 40, rounded: true },
    { name: 'gamma', size: 20 },
    { name: 'first kernel', size: 50, rounded: true },
    { name: 'first gamma', size: 30 },
  ];
  const names = planBuckets(tensors, options).map(({ entries }) => entries.map(({ name }) => name).join('+'));
  expect(names).toEqual(['kernel+first kernel', 'bias+gamma+first gamma']);
});

test('the defaults are 4 MiB, and 1 MiB for a tensor of its own', () => {
  const mebibyte = 2 ** 18;
  const tensors = Array.from({ length: 5 }, (_, i) => ({ name: `t${i}`, size: mebibyte }));
  expect(planBuckets(tensors).map(({ size }) => size / mebibyte)).toEqual([4, 1]);
  expect(planBuckets([{ name: 'big', size: mebibyte + 1 }, ...tensors]).map(({ size }) => size)).toEqual([
    mebibyte + 1,
    4 * mebibyte,
    mebibyte,
  ]);
});

test('no tensors, no buckets; an empty tensor or a name used twice is refused', () => {
  expect(planBuckets([])).toEqual([]);
  expect(() => planBuckets([{ name: 'a', size: 0 }])).toThrow('a has size 0');
  expect(() =>
    planBuckets([
      { name: 'a', size: 1 },
      { name: 'a', size: 1 },
    ]),
  ).toThrow('called a');
});

test.each([16, 4096])(
  'slices cover a bucket, begin at multiples of %d and differ by that at most',
  (block) => {
    for (const size of [1, 15, 16, 17, 160, 1000, 2_359_296]) {
      for (let worldSize = 1; worldSize <= 9; worldSize++) {
        let next = 0;
        const lengths: number[] = [];
        for (let rank = 0; rank < worldSize; rank++) {
          const { offset, length } = sliceOf(size, rank, worldSize, block);
          expect(offset).toBe(next);
          if (length > 0) expect(offset % block).toBe(0);
          lengths.push(length);
          next = offset + length;
        }
        expect(next).toBe(size);
        // The last slice also lacks what the size lacks to a multiple of it.
        expect(Math.max(...lengths) - Math.min(...lengths)).toBeLessThan(2 * block);
      }
    }
    expect(() => sliceOf(10, 2, 2)).toThrow(RangeError);
  },
);
