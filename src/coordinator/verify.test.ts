import { describe, expect, it } from 'vitest';
import { agreedSteps, type StepRecord } from './verify.js';

const record = (step: number, fingerprint: string, loss = 1, gradNorm = 2): StepRecord => ({
  step,
  fingerprint,
  loss,
  gradNorm,
});
const one = [record(1, 'a'), record(2, 'b'), record(3, 'c')];

describe('agreedSteps', () => {
  it('is all of them for equal runs, NaN included', () => {
    expect(agreedSteps(one, [...one])).toBe(3);
    const diverged = [record(1, 'a', Number.NaN)];
    expect(agreedSteps(diverged, [record(1, 'a', Number.NaN)])).toBe(1);
  });
  it('blames the step before for weights that differ', () => {
    expect(agreedSteps(one, [record(1, 'a'), record(2, 'x'), record(3, 'y')])).toBe(0);
    expect(agreedSteps(one, [record(1, 'a'), record(2, 'b'), record(3, 'y')])).toBe(1);
    expect(agreedSteps(one, [record(1, 'x'), record(2, 'y'), record(3, 'z')])).toBe(0);
  });
  it('blames a step itself for its loss, its gradient, or that it is missing', () => {
    expect(agreedSteps(one, [record(1, 'a'), record(2, 'b', 1.5), record(3, 'y')])).toBe(1);
    expect(agreedSteps(one, [record(1, 'a', 1, 2.5), record(2, 'y'), record(3, 'z')])).toBe(0);
    expect(agreedSteps(one, one.slice(0, 2))).toBe(1);
  });
});
