import { describe, expect, test } from 'vitest';
import { answer } from './answer.js';
import type { Comparison } from './comparison.js';
import { resultsOf } from './results.js';

type Accuracies = readonly (readonly (number | null | undefined)[])[];

/** Accuracies of arm a and arm b (and c) by seed; undefined for a run that has not ended. */
function comparison(...accuracies: Accuracies): Comparison {
  const arms = ['a', 'b', 'c'].slice(0, Math.max(2, accuracies.length));
  const seeds = accuracies[0]!.map((_, i) => i + 1);
  return {
    ...{ format: 1, kind: 'comparison', name: 'x', startedAt: '2026-01-01T00:00:00.000Z', commandLine: [] },
    machine: { host: 'h', processor: 'p', cores: 2, gpus: 0, memoryGb: 8, kernel: '6' },
    ...{ versions: {}, seeds, budget: 'samples', testImages: 10_000, differences: [] },
    arms: arms.map((name) => ({ name, config: 'c', set: [], samples: 1000, encoderPasses: 3000 })),
    runs: seeds.flatMap((seed, i) =>
      arms.flatMap((arm, a) => {
        const accuracy = accuracies[a]?.[i];
        if (accuracy === undefined) return [];
        const run = `${arm}/seed-${seed}`;
        return [{ arm, seed, run, accuracy, seconds: 10 * (a + 1), workers: 2, weightsDigest: 'd' }];
      }),
    ),
  };
}

const verdict = (...accuracies: Accuracies) => answer(comparison(...accuracies)).verdicts[0];

describe('a comparison', () => {
  test('takes differences within a seed', () => {
    const [a, b] = resultsOf(comparison([0.8, 0.9, 0.7], [0.82, 0.91, 0.73]));
    expect(a).toMatchObject({ runs: 3, seconds: 10, imagesPerSec: 100 });
    expect(a!.accuracy!.mean).toBeCloseTo(0.8, 12);
    expect(a!.accuracy!.deviation).toBeCloseTo(0.1, 12);
    expect(a!.difference).toBeUndefined();
    const { mean, seeds } = b!.difference!;
    expect(seeds).toEqual([1, 2, 3]);
    expect(mean!.mean).toBeCloseTo(0.02, 12);
    // numpy: 0.02 ± 4.302652729911275 · 0.01 / √3. The arms' own intervals, ten times as wide, take no part.
    expect(mean!.interval![0]).toBeCloseTo(-0.0048413771, 9);
    expect(mean!.interval![1]).toBeCloseTo(0.0448413771, 9);
  });

  test('claims a difference only where its interval leaves zero out', () => {
    expect(verdict([0.8, 0.9, 0.7], [0.82, 0.91, 0.73])).toBe(
      'Over 3 seeds no difference between b and a shows: +2.00 points, 95 % interval −0.48 to +4.48, which holds zero.',
    );
    expect(verdict([0.8, 0.9, 0.7], [0.83, 0.93, 0.731])).toBe(
      'Over 3 seeds b is better than a by 3.03 points (95 % interval +2.89 to +3.18).',
    );
    expect(verdict([0.83, 0.93, 0.731], [0.8, 0.9, 0.7])).toMatch(
      /^Over 3 seeds b is worse than a by 3.03 points/,
    );
  });

  test('with one seed says that nothing is known about spread', () => {
    expect(verdict([0.8], [0.9])).toBe(
      'With seed 1, b is 10.00 points above a; one seed says nothing about spread, so this does not say which is better.',
    );
    expect(verdict([0.8, 0.8], [0.79, undefined])).toBe(
      'With seed 1, the only one of 2 that both have, b is 1.00 points below a; one seed says nothing about spread, so this does not say which is better.',
    );
  });

  test('claims nothing where no spread was seen', () => {
    expect(verdict([0.5, 0.5], [0.75, 0.75])).toMatch(
      /b is 25.00 points above a, the same with each: no spread was seen/,
    );
    expect(verdict([0.5, 0.6], [0.5, 0.6])).toMatch(/b is as good as a, the same with each/);
    expect(verdict([0.5], [undefined])).toBe('No seed has an accuracy of both b and a yet.');
  });

  test('names what its verdict does not say', () => {
    const three = comparison([0.8, 0.9, 0.7], [0.82, 0.91, null], [0.8, 0.91, 0.7]);
    const { verdicts, caveats } = answer({
      ...three,
      differences: ['data.augment.crop is 4 for a, 0 for b'],
    });
    expect(verdicts[0]).toMatch(/^Over 2 of 3 seeds/);
    expect(verdicts).toHaveLength(2);
    const text = caveats.join('\n');
    expect(text).toContain('The same budget of training images: 1,000 for a, 1,000 for b, 1,000 for c.');
    expect(text).toContain('b has no accuracy with seed 3, and is left out there.');
    expect(text).toContain('The arms differ in a setting besides: data.augment.crop is 4 for a, 0 for b.');
    expect(text).toContain('2 arms were compared with the first, each at 95 %');
    expect(answer({ ...three, budget: 'none' }).caveats.join()).toContain('asked for no equal budget');
    const mixed = { ...three, runs: three.runs.map((run, i) => ({ ...run, workers: i === 0 ? 1 : 2 })) };
    expect(answer(mixed).caveats.join()).toContain('Runs had 1 and 2 workers: their seconds do not compare');
  });
});
