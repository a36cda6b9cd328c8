import { expect, test } from 'vitest';
import { requireFiniteLoss, skippedBy } from './finite.js';

const place = { stage: 'train', step: 12, learningRate: 0.30000000000000004 };
const dynamic = { kind: 'dynamic', initial: 1, growthInterval: 1 } as const;

test('a loss that is no number ends the run, unless a loss scale may be the reason', () => {
  expect(() => requireFiniteLoss(Number.NaN, { kind: 'none' }, place)).toThrow(
    "The loss is NaN at step 12 (stage 'train', learning rate 0.3): the training has diverged.",
  );
  expect(() => requireFiniteLoss(Number.POSITIVE_INFINITY, { kind: 'fixed', value: 2 }, place)).toThrow(
    'Infinity',
  );
  expect(() => requireFiniteLoss(Number.NaN, dynamic, place)).not.toThrow();
  expect(() => requireFiniteLoss(1, { kind: 'none' }, place)).not.toThrow();
});

test('a step whose gradients overflow is skipped as long as the scale can be lowered', () => {
  expect(skippedBy(3, 8, place)).toBe(false);
  expect(skippedBy(3, null, place)).toBe(false);
  expect(skippedBy(Number.POSITIVE_INFINITY, 2, place)).toBe(true);
  expect(() => skippedBy(Number.NaN, 1, place)).toThrow(
    'The norm of the gradients is NaN, even with a loss scale of 1, at step 12',
  );
  expect(() => skippedBy(Number.NaN, null, place)).toThrow('The norm of the gradients is NaN at step 12');
});
