/** What a comparison came to: each arm over its seeds, and its difference from the first arm, seed by seed. */
import { meanOf } from '../../shared/statistics/estimate.js';
import { type Mean, meanWithSpread } from '../../shared/statistics/mean.js';
import type { ComparedRun, Comparison } from './comparison-schema.js';

export interface ArmResult {
  readonly arm: string;
  /** Runs that have ended, without those that diverged: what the numbers below are over. */
  readonly runs: number;
  /** The seeds with which it diverged. */
  readonly diverged: readonly number[];
  /** On the test images, 0 to 1, over the seeds; null when no run has one. */
  readonly accuracy: Mean | null;
  /** Training images of one run. */
  readonly samples: number;
  readonly encoderPasses: number;
  /** In the steps of one run, on average; null before the first has ended. */
  readonly seconds: number | null;
  /** Training images over seconds. */
  readonly imagesPerSec: number | null;
  /** Undefined for the first arm. */
  readonly difference?: Difference;
}

/** Accuracy of an arm less that of the first one, with the same seed. */
export interface Difference {
  readonly from: string;
  /** Those that both arms have an accuracy for. */
  readonly seeds: readonly number[];
  readonly values: readonly number[];
  /** Null without a seed. */
  readonly mean: Mean | null;
}

/** In the order of the arms. */
export function resultsOf({ arms, runs, seeds }: Pick<Comparison, 'arms' | 'runs' | 'seeds'>): ArmResult[] {
  const first = arms[0]!.name;
  return arms.map(({ name, samples, encoderPasses }, i) => {
    const all = runs.filter(({ arm }) => arm === name);
    // A diverged run spent but a part of its time.
    const own = all.filter(({ diverged }) => diverged === undefined);
    const seconds = own.length === 0 ? null : meanOf(own.map((run) => run.seconds));
    return {
      arm: name,
      runs: own.length,
      diverged: all.flatMap(({ seed, diverged }) => (diverged === undefined ? [] : [seed])),
      accuracy: meanWithSpread(own.flatMap(({ accuracy }) => accuracy ?? [])),
      samples,
      encoderPasses,
      seconds,
      imagesPerSec: seconds === null ? null : samples / seconds,
      ...(i === 0 ? {} : { difference: differenceFrom(first, name, runs, seeds) }),
    };
  });
}

function differenceFrom(
  first: string,
  arm: string,
  runs: readonly ComparedRun[],
  seeds: readonly number[],
): Difference {
  const accuracyOf = (name: string, seed: number) =>
    runs.find((run) => run.arm === name && run.seed === seed)?.accuracy ?? null;
  const pairs = seeds.flatMap((seed) => {
    const [own, base] = [accuracyOf(arm, seed), accuracyOf(first, seed)];
    return own === null || base === null ? [] : [{ seed, value: own - base }];
  });
  const values = pairs.map(({ value }) => value);
  return { from: first, seeds: pairs.map(({ seed }) => seed), values, mean: meanWithSpread(values) };
}
