import { expect, it } from 'vitest';
import { labelsOf } from './labels.js';

it('takes the shortest label that no other run has', () => {
  expect(
    labelsOf([
      { name: 'traditional', path: 'runs/a' },
      { name: 'contrastive', path: 'runs/one' },
      { name: 'contrastive', path: 'runs/two' },
      { name: 'contrastive', path: 'elsewhere/two' },
    ]),
  ).toEqual(['traditional', 'contrastive (one)', 'contrastive (runs/two)', 'contrastive (elsewhere/two)']);
});

it('never gives two runs one label', () => {
  const same = { name: 'x', path: 'runs/a' };
  expect(new Set(labelsOf([same, same])).size).toBe(2);
});
