import { describe, expect, test } from 'vitest';
import fixture from '../../../test/fixtures/optimizers.json' with { type: 'json' };
import { cosinePi } from './cosine.js';
import { learningRateAt, momentumAt, scaledSchedule } from './schedule.js';

const stage = { epochs: 10, samplesPerEpoch: 100 };
const warm = { peak: 1, warmupEpochs: 2, warmupStart: 0.2 } as const;

test('warm-up is linear in samples, from its start to the peak', () => {
  const rate = (samples: number): number => learningRateAt({ decay: 'constant', ...warm }, stage, samples);
  expect([0, 50, 100, 200, 999].map(rate)).toEqual([0.2, 0.4, 0.6000000000000001, 1, 1]);
});

test('without a warm-up the first step has the peak', () => {
  const schedule = { decay: 'constant', peak: 0.3, warmupEpochs: 0, warmupStart: 0 } as const;
  expect(learningRateAt(schedule, stage, 0)).toBe(0.3);
});

test('the cosine falls from the peak after the warm-up to the final rate at the end', () => {
  const rate = (samples: number): number =>
    learningRateAt({ decay: 'cosine', ...warm, final: 0.1 }, stage, samples);
  expect(rate(200)).toBeCloseTo(1, 14);
  expect(rate(600)).toBeCloseTo(0.55, 14);
  expect(rate(400)).toBeCloseTo(0.1 + 0.45 * (1 + Math.SQRT1_2), 14);
  expect(rate(1000)).toBe(0.1);
});

test('the line falls from the peak after the warm-up to the final rate at the end', () => {
  const rate = (samples: number): number =>
    learningRateAt({ decay: 'linear', ...warm, final: 0.2 }, stage, samples);
  // The triangle of a fast recipe: up over 2 epochs, down over 8.
  expect([0, 100, 200, 600, 1000, 1100].map(rate)).toEqual([0.2, 0.6000000000000001, 1, 0.6, 0.2, 0.2]);
});

describe('one cycle', () => {
  // A step is an image here: 10 of them, the peak after 4.
  const short = { epochs: 10, samplesPerEpoch: 1 };
  const cycle = { decay: 'oneCycle', peak: 0.8, warmupEpochs: 4, warmupStart: 0.05, final: 0.01 } as const;

  test("is PyTorch's, momentum too", () => {
    const momentum = { low: 0.85, high: 0.95 };
    const { rates, momenta } = fixture.oneCycle;
    for (const [step, rate] of rates.entries()) {
      expect(learningRateAt({ ...cycle, momentum }, short, step)).toBeCloseTo(rate, 14);
      expect(momentumAt({ ...cycle, momentum }, short, step)).toBeCloseTo(momenta[step]!, 14);
    }
    expect(rates).toHaveLength(11);
  });

  test('leaves momentum alone unless it is told to, as do all others', () => {
    expect(momentumAt(cycle, short, 3)).toBeUndefined();
    expect(momentumAt({ decay: 'constant', ...warm }, short, 3)).toBeUndefined();
  });
});

describe('scaling by the global batch', () => {
  const cosine = { decay: 'cosine', ...warm, final: 0.1 } as const;

  test('multiplies every rate, and leaves lengths alone', () => {
    const scaling = { rule: 'linear', baseBatch: 256 } as const;
    expect(scaledSchedule({ ...cosine, scaling }, 512)).toMatchObject({
      peak: 2,
      final: 0.2,
      warmupStart: 0.4,
      warmupEpochs: 2,
    });
    const rate = (samples: number) =>
      learningRateAt(scaledSchedule({ ...cosine, scaling }, 512), stage, samples);
    expect(rate(600)).toBe(2 * learningRateAt(cosine, stage, 600));
    const root = { rule: 'squareRoot', baseBatch: 256 } as const;
    expect(scaledSchedule({ ...cosine, scaling: root }, 1024)).toMatchObject({ peak: 2, final: 0.2 });
  });

  test('does nothing without a rule', () => {
    expect(scaledSchedule(cosine, 512)).toBe(cosine);
  });
});

test('a stage that is all warm-up never divides by nothing', () => {
  const schedule = { decay: 'cosine', peak: 1, warmupEpochs: 10, warmupStart: 0, final: 0 } as const;
  expect(learningRateAt(schedule, stage, 999)).toBeCloseTo(0.999, 12);
  expect(learningRateAt(schedule, stage, 1000)).toBe(0);
});

test('steps multiply at their milestones', () => {
  const schedule = { decay: 'step', ...warm, milestones: [3, 5.5], factor: 0.5 } as const;
  const rate = (samples: number): number => learningRateAt(schedule, stage, samples);
  expect([299, 300, 549, 550].map(rate)).toEqual([1, 0.5, 0.5, 0.25]);
});

describe('cosinePi', () => {
  test('is the cosine', () => {
    for (let t = 0; t <= 1; t += 1 / 512)
      expect(Math.abs(cosinePi(t) - Math.cos(Math.PI * t))).toBeLessThan(2e-15);
  });
});
