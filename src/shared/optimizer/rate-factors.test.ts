import { expect, test } from 'vitest';
import { rateFactors } from './rate-factors.js';

const names = ['encoder.bn1.gamma', 'encoder.bn1.beta', 'classifier.0.kernel'];
const stage = (...learningRates: { match: string; factor: number }[]) => ({ name: 'train', learningRates });

test('the last entry that matches a name counts', () => {
  const factors = rateFactors(
    stage({ match: 'encoder', factor: 0.1 }, { match: '*.beta', factor: 64 }),
    0,
    names,
  );
  expect([...factors]).toEqual([
    ['encoder.bn1.gamma', 0.1],
    ['encoder.bn1.beta', 64],
    ['classifier.0.kernel', 1],
  ]);
});

test('an entry that matches nothing is an error that suggests what was meant', () => {
  const wrong = stage({ match: 'encoder', factor: 0.1 }, { match: '*.bata', factor: 64 });
  expect(() => rateFactors(wrong, 2, names)).toThrow(
    "stages[2].learningRates[1].match '*.bata' matches no parameter that stage 'train' trains: did you mean '*.beta'?",
  );
});
