import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { hasFixedFeatures } from './fixed-features.js';
import { readConfig } from './load.js';

const text = readFileSync(new URL('../../../configs/demo-contrastive.yaml', import.meta.url), 'utf8');
const none = ['data.augment={crop: 0, flip: none}'];
/** Of each stage. */
const fixed = (...set: string[]) => {
  const config = readConfig(text, 'c.yaml', set);
  return config.stages.map((stage) => hasFixedFeatures(config, stage));
};

test('features are fixed where the encoder is frozen, and nothing random happens before it', () => {
  expect(fixed(...none)).toEqual([false, true]);
  expect(fixed('data.augment={crop: 4, flip: none}')).toEqual([false, false]);
  expect(fixed('data.augment={crop: 0, flip: random}')).toEqual([false, false]);
  expect(fixed(...none, 'stages.1.freeze=none')).toEqual([false, false]);
  expect(fixed(...none, 'stages.1.cacheFeatures=never')).toEqual([false, false]);
});
