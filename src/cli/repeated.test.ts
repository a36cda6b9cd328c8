import { expect, it } from 'vitest';
import { refuseRepeated } from './repeated.js';

it('refuses an option that is given twice, and says which', () => {
  expect(() => refuseRepeated({ _: ['verify'], workers: ['1', '2'] })).toThrow('--workers is given 2 times.');
});

it('lets lists be', () => {
  expect(refuseRepeated({ _: ['report', 'x'], runs: ['a', 'b'], set: ['a=1', 'b=2'], out: 'x' })).toBe(true);
});
