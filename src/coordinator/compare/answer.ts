/** The answer of a comparison in sentences, which claim no more than its numbers do. */
import { type BudgetRule, spentName } from './budget.js';
import type { Comparison } from './comparison-schema.js';
import { divergedCaveat, divergedText } from './divergence-text.js';
import { type ArmResult, type Difference, resultsOf } from './results.js';

export interface Answer {
  /** One sentence for each arm but the first. */
  readonly verdicts: readonly string[];
  /** What the verdicts rest on, and what they do not say. */
  readonly caveats: readonly string[];
}

export function answer(comparison: Comparison): Answer {
  const results = resultsOf(comparison);
  const [first, ...others] = results;
  return {
    verdicts: others.map((arm) => verdict(first!, arm, comparison.seeds)),
    caveats: caveats(comparison, results),
  };
}

/** Seeds that diverged come first: no difference shows them. */
function verdict(first: ArmResult, arm: ArmResult, seeds: readonly number[]): string {
  const apart = difference(first, arm, seeds.length);
  const diverged = [first, arm].flatMap((one) => divergedText(one, seeds.length) ?? []).join(' and ');
  if (diverged === '') return apart;
  if (seeds.every((seed) => first.diverged.includes(seed) || arm.diverged.includes(seed))) {
    return `${diverged}: no seed is left with which both have an accuracy.`;
  }
  return `${diverged}. Leaving that out, ${apart[0]!.toLowerCase()}${apart.slice(1)}`;
}

function difference(first: ArmResult, { arm, difference: apart }: ArmResult, planned: number): string {
  const { seeds, mean } = apart!;
  const { length } = seeds;
  if (mean === null) return `No seed has an accuracy of both ${arm} and ${first.arm} yet.`;
  if (length === 1) {
    const which =
      planned === 1 ? `seed ${seeds[0]}` : `seed ${seeds[0]}, the only one of ${planned} that both have`;
    return `With ${which}, ${arm} is ${standing(mean.mean, first.arm)}; one seed says nothing about spread, so this does not say which is better.`;
  }
  const over = `Over ${length}${length < planned ? ` of ${planned}` : ''} seeds`;
  if (mean.interval === null) {
    return `${over} ${arm} is ${standing(mean.mean, first.arm)}, the same with each: no spread was seen, so this does not say how sure that is.`;
  }
  const interval = `95 % interval ${intervalText(mean.interval)}`;
  const [low, high] = mean.interval;
  if (low <= 0 && high >= 0) {
    return `${over} no difference between ${arm} and ${first.arm} shows: ${signed(mean.mean)} points, ${interval}, which holds zero.`;
  }
  return `${over} ${arm} is ${mean.mean > 0 ? 'better' : 'worse'} than ${first.arm} by ${points(mean.mean)} (${interval}).`;
}

function caveats(comparison: Comparison, results: readonly ArmResult[]): string[] {
  const { budget, arms, differences, testImages, seeds, runs } = comparison;
  const others = results.slice(1);
  const ended = runs.filter(({ diverged }) => diverged === undefined);
  const lost = ended.filter(({ accuracy }) => accuracy === null);
  const workers = [...new Set(ended.map((run) => run.workers))];
  return [
    `Accuracy is that after the last epoch, on the same ${testImages.toLocaleString('en')} test images for all. ${
      seeds.length > 1 ? 'Intervals are over seeds: that other test images would differ is not in them.' : ''
    }`.trim(),
    ...results.flatMap((result) => divergedCaveat(result, runs, seeds.length) ?? []),
    budgetText(budget, arms),
    ...differences.map((line) => `The arms differ in a setting besides: ${line}.`),
    ...lost.map(({ arm, seed }) => `${arm} has no accuracy with seed ${seed}, and is left out there.`),
    ...(others.length > 1 && others.some(({ difference }) => claims(difference))
      ? [
          `${others.length} arms were compared with the first, each at 95 %: that one of these intervals misleads is likelier than 1 in 20.`,
        ]
      : []),
    ...(workers.length > 1
      ? [`Runs had ${workers.join(' and ')} workers: their seconds do not compare, their accuracies do.`]
      : []),
  ];
}

function claims(difference: Difference | undefined): boolean {
  return difference?.mean?.interval != null;
}

function budgetText(budget: BudgetRule, arms: Comparison['arms']): string {
  const spent = (of: 'samples' | 'encoderPasses') =>
    `${spentName[of]}: ${arms.map((arm) => `${arm[of].toLocaleString('en')} for ${arm.name}`).join(', ')}`;
  if (budget === 'none')
    return `The arms were asked for no equal budget. ${spent('samples')}. ${spent('encoderPasses')}.`;
  const other = budget === 'samples' ? 'encoderPasses' : 'samples';
  return `The same budget of ${spent(budget)}. It need not be the same in ${spent(other)}.`;
}

/** Accuracies as points of percent, with their sign: +1.23. */
export function signed(difference: number): string {
  const text = (100 * difference).toFixed(2);
  return difference > 0 ? `+${text}` : text.replace('-', '−');
}

/** −0.10 to +2.30 */
export function intervalText([low, high]: readonly [number, number]): string {
  return `${signed(low)} to ${signed(high)}`;
}

function points(difference: number): string {
  return `${(100 * Math.abs(difference)).toFixed(2)} points`;
}

function standing(difference: number, first: string): string {
  if (difference === 0) return `as good as ${first}`;
  return `${points(difference)} ${difference < 0 ? 'below' : 'above'} ${first}`;
}
