import { expect, test } from 'vitest';
import { editDistance, nearest } from './nearest.js';

test('the edit distance', () => {
  expect(editDistance('kitten', 'sitting')).toBe(3);
  expect(editDistance('', 'abc')).toBe(3);
  expect(editDistance('same', 'same')).toBe(0);
});

test('the nearest word, if one is near', () => {
  expect(nearest('optimzer', ['objective', 'optimizer', 'epochs'])).toBe('optimizer');
  expect(nearest('microbatches', ['microBatchSize', 'microBatches'])).toBe('microBatches');
  expect(nearest('banana', ['seed', 'name'])).toBeUndefined();
});
