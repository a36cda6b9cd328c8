import { describe, expect, test } from 'vitest';
import { type Accuracies, exampleComparison as comparison } from '../../../test/example-comparison.js';
import { answer } from './answer.js';
import { armRow } from './arm-table.js';
import { comparisonSchema } from './comparison-schema.js';
import { resultsOf } from './results.js';

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

  test('says with how many seeds an arm diverged, and takes the others', () => {
    const some = comparison([0.8, 0.9, 0.7], [0.83, 'diverged', 0.731]);
    const [a, b] = resultsOf(some);
    expect(a).toMatchObject({ runs: 3, diverged: [] });
    expect(b).toMatchObject({ runs: 2, diverged: [2], seconds: 20, imagesPerSec: 50 });
    expect(b!.difference).toMatchObject({ seeds: [1, 3] });
    expect([a, b].map((arm) => armRow(arm!)[1])).toEqual(['3', '2 (1 diverged)']);
    const { verdicts, caveats } = answer(some);
    expect(verdicts[0]).toMatch(
      /^b diverged with 1 of 3 seeds\. Leaving that out, over 2 of 3 seeds b is better than a by 3.05 points \(/,
    );
    expect(caveats).toContain(
      'b diverged with 1 of 3 seeds; its mean, interval and seconds are over the others, and say nothing of how often it diverges. Seed 2: The loss is NaN at step 2.',
    );
    // Said already, and its workers are in no mean.
    expect(caveats.join('\n')).not.toMatch(/has no accuracy with seed|their seconds do not compare/);
  });

  test('says of which arm, be it the first', () => {
    expect(verdict(['diverged', 0.9], [0.8, 0.95])).toBe(
      'a diverged with 1 of 2 seeds. Leaving that out, with seed 2, the only one of 2 that both have, b is 5.00 points above a; one seed says nothing about spread, so this does not say which is better.',
    );
    expect(verdict(['diverged', 0.9, undefined], [0.8, 'diverged', undefined])).toBe(
      'a diverged with 1 of 3 seeds and b diverged with 1 of 3 seeds. Leaving that out, no seed has an accuracy of both b and a yet.',
    );
    expect(verdict(['diverged', 0.9], [0.8, 'diverged'])).toBe(
      'a diverged with 1 of 2 seeds and b diverged with 1 of 2 seeds: no seed is left with which both have an accuracy.',
    );
  });

  test('says that an arm diverged with every seed', () => {
    const all = comparison([0.8, 0.9], ['diverged', 'diverged']);
    const { verdicts, caveats } = answer(all);
    expect(verdicts).toEqual([
      'b diverged with both seeds: no seed is left with which both have an accuracy.',
    ]);
    expect(caveats).toContain(
      'b diverged with both seeds, and has no accuracy. Seed 1: The loss is NaN at step 1. Seed 2: The loss is NaN at step 2.',
    );
    const [, b] = resultsOf(all);
    expect(b).toMatchObject({ runs: 0, accuracy: null, seconds: null, imagesPerSec: null });
    expect(armRow(b!).slice(1, 3)).toEqual(['0 (2 diverged)', '–']);
    expect(verdict(['diverged', 'diverged', 'diverged'], [0.7, 0.8, 0.9])).toMatch(
      /^a diverged with all 3 seeds: /,
    );
    expect(verdict(['diverged'], [0.8])).toMatch(/^a diverged with seed 1: no seed is left/);
    const begun = answer(comparison([0.8, 0.9], ['diverged', undefined]));
    expect(begun.verdicts[0]).toMatch(/^b diverged with 1 of 2 seeds\. Leaving that out, no seed .* yet\.$/);
    expect(begun.caveats.join('\n')).toContain('b diverged with 1 of 2 seeds, and has no accuracy yet.');
  });

  test('is read as earlier versions wrote it, and with a run that diverged in its first step', () => {
    for (const written of [comparison([0.8], [0.9]), comparison([0.8], ['diverged'])]) {
      expect(comparisonSchema.parse(JSON.parse(JSON.stringify(written)))).toEqual(written);
    }
  });
});
