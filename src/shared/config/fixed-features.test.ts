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
  for (const [key, value] of [
    ...[
      ['crop', 4],
      ['flip', 'random'],
      ['flip', 'alternating'],
      ['resizedCrop', '{}'],
      ['rotation', 0.1],
    ],
    ...[
      ['zoom', 0.1],
      ['stretch.width', 0.1],
      ['colorJitter', '{hue: 0.1}'],
      ['grayscale', 0.2],
      ['cutout', 8],
    ],
  ]) {
    expect(fixed(...none, `data.augment.${key}=${value}`), `${key}`).toEqual([false, false]);
  }
  // It shows only where something else moves the image.
  expect(fixed(...none, 'data.augment.fill=edge')).toEqual([false, true]);
  expect(fixed('stages.1.augment={crop: 0, flip: none}')).toEqual([false, true]);
  expect(fixed(...none, 'stages.1.augment={}')).toEqual([false, false]);
  expect(fixed(...none, 'stages.1.freeze=none')).toEqual([false, false]);
  expect(fixed(...none, 'stages.1.cacheFeatures=never')).toEqual([false, false]);
});
