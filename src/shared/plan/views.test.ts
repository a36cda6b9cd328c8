import { expect, test } from 'vitest';
import { imagesOfRows } from './views.js';

test('a micro-batch has all of its images in view 0, then all in view 1', () => {
  expect([...imagesOfRows(2, 3, 2)]).toEqual([0, 1, 2, 0, 1, 2, 3, 4, 5, 3, 4, 5]);
  expect([...imagesOfRows(2, 3, 1)]).toEqual([0, 1, 2, 3, 4, 5]);
});
