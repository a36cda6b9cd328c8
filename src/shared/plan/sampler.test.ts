import { expect, test } from 'vitest';
import { Sampler, stepsPerEpoch } from './sampler.js';

const sampling = { seed: 4, microBatches: 3, microBatchSize: 5, datasetSize: 100 };

test('an epoch shows every image once, but for the incomplete last batch', () => {
  const sampler = new Sampler(sampling);
  expect(sampler.stepsPerEpoch).toBe(6);
  const seen = new Set<number>();
  for (let step = 0; step < 6; step++) {
    for (let k = 0; k < 3; k++) for (const id of sampler.microBatch(2, step, k)) seen.add(id);
  }
  expect(seen.size).toBe(90);
  expect(Math.min(...seen)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...seen)).toBeLessThan(100);
});

test('the samples of a micro-batch depend on nothing but seed and position', () => {
  const wandering = new Sampler(sampling);
  wandering.microBatch(9, 0, 0);
  const third = wandering.microBatch(1, 3, 2);
  expect(new Sampler(sampling).microBatch(1, 3, 2)).toEqual(third);
  expect(new Sampler({ ...sampling, microBatches: 15, microBatchSize: 1 }).microBatch(1, 3, 10)[0]).toBe(
    third[0],
  );
  expect(new Sampler(sampling).microBatch(2, 3, 2)).not.toEqual(third);
  expect(new Sampler({ ...sampling, seed: 5 }).microBatch(1, 3, 2)).not.toEqual(third);
});

test('positions outside the epoch are refused', () => {
  const sampler = new Sampler(sampling);
  expect(() => sampler.microBatch(0, 6, 0)).toThrow(RangeError);
  expect(() => sampler.microBatch(0, 0, 3)).toThrow(RangeError);
});

test('fewer images than one global batch is a config error', () => {
  expect(stepsPerEpoch(16, 16)).toBe(1);
  expect(() => stepsPerEpoch(15, 16)).toThrow(expect.objectContaining({ code: 'CONFIG' }));
});
