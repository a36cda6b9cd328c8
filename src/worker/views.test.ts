/** A micro-batch with one view of its samples, and with two. */
import { expect, it } from 'vitest';
import { parameters } from '../shared/augment/parameters.js';
import { augmentSchema } from '../shared/config/augment.js';
import { imageBytes } from '../shared/data/cifar.js';
import type { Dataset } from '../shared/data/dataset.js';
import { LocalSource } from '../shared/data/source.js';
import { fillViews } from './views.js';

const count = 50;
const train = {
  count,
  images: Uint8Array.from({ length: count * imageBytes }, (_, i) => (i * 7 + (i >> 10)) % 256),
  labels: Uint8Array.from({ length: count }, (_, i) => i % 10),
};
const source = new LocalSource({ split: () => train } as unknown as Dataset);
const ids = Int32Array.of(9, 4, 31);
const augment = augmentSchema.parse({ crop: 4, rotation: 0.1, cutout: 8, colorJitter: { hue: 0.1 } });
const options = { seed: 5, epoch: 2, augment };

it('two views are one after the other, the first as if it were alone', () => {
  const one = fillViews(source, ids, { ...options, views: 1 });
  const two = fillViews(source, ids, { ...options, views: 2 });
  expect(one.labels).toEqual(Int32Array.of(9, 4, 1));
  expect(two.labels).toEqual(Int32Array.of(9, 4, 1, 9, 4, 1));
  expect(two.images.subarray(0, 3 * imageBytes)).toEqual(one.images);
  const alone = new Uint8Array(3 * imageBytes);
  source.fill('train', ids, alone, new Int32Array(3), { ...options, view: 1 });
  expect(two.images.subarray(3 * imageBytes)).toEqual(alone);
  expect(alone).not.toEqual(one.images);
  expect(Object.keys(one.augmentation).sort()).toEqual(['augment-cutout', 'augment-hue', 'augment-warp']);
  for (const [name, rows] of Object.entries(two.augmentation)) {
    const first = one.augmentation[name]!;
    const second = parameters(ids, { ...options, view: 1 })[name]!;
    expect(rows).toEqual(Float32Array.of(...first, ...second));
    expect(second, name).not.toEqual(first);
  }
});

it('asks the graph for nothing where whole pixels are moved at most', () => {
  const plain = augmentSchema.parse({ crop: 4, flip: 'alternating', fill: 'reflect' });
  expect(fillViews(source, ids, { ...options, augment: plain, views: 2 }).augmentation).toEqual({});
});
