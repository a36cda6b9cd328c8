/** What a study came to, computed from its raw steps. */
import { type Estimate, estimate, meanOf, medianOf } from '../../shared/statistics/estimate.js';
import type { Study, StudyRun } from './study.js';
import { meanSplit, mostOftenSlowest, type Slowest, type TimeSplit, timeSplit } from './time-split.js';

export interface ScaleResult {
  readonly workers: number;
  readonly globalBatch: number;
  readonly repeats: number;
  readonly imagesPerSec: Estimate;
  readonly msPerStep: Estimate;
  /**
   * Images per second over those of as many workers as there are, each as fast as one of the smallest study: taken within
   * a repeat, so that a machine that is slower in one repeat is so on both sides; where the smallest has no run in a
   * repeat, its median takes the place. 1 for the smallest.
   */
  readonly efficiency: Estimate;
  /** Of the run with the median time of a step, or the mean of the two in the middle: it adds up to that median. */
  readonly split: TimeSplit;
  readonly slowest: Slowest;
}

/** One for each number of workers that ran at least once, ascending. */
export function resultsOf({ runs }: Pick<Study, 'runs'>): ScaleResult[] {
  const counts = countsOf({ runs });
  const [base = 1] = counts;
  const smallest = runs.filter((run) => run.workers === base);
  const usual = medianOf(smallest.map(throughput));
  return counts.map((count) => {
    const own = runs.filter((run) => run.workers === count);
    const efficiencies = own.map((run) => {
      const reference = smallest.find(({ repeat }) => repeat === run.repeat);
      const single = (reference === undefined ? usual : throughput(reference)) / base;
      return throughput(run) / count / single;
    });
    return {
      workers: count,
      globalBatch: own[0]!.globalBatch,
      repeats: own.length,
      imagesPerSec: estimate(own.map(throughput)),
      msPerStep: estimate(own.map(msPerStep)),
      efficiency: estimate(efficiencies),
      split: meanSplit(middleOf(own).map(({ steps }) => meanSplit(steps.map(timeSplit)))),
      slowest: mostOftenSlowest(own.flatMap(({ steps }) => steps)),
    };
  });
}

/** The numbers of workers that ran at least once, ascending. */
export function countsOf({ runs }: Pick<Study, 'runs'>): number[] {
  return [...new Set(runs.map(({ workers }) => workers))].sort((a, b) => a - b);
}

/** Images per second of a run: all measured images over all measured time. */
export function throughput(run: StudyRun): number {
  return (run.globalBatch / msPerStep(run)) * 1000;
}

/** The run or the two whose time of a step is the median. */
function middleOf(runs: readonly StudyRun[]): StudyRun[] {
  const sorted = [...runs].sort((a, b) => msPerStep(a) - msPerStep(b));
  const { length } = sorted;
  return sorted.slice(Math.floor((length - 1) / 2), Math.floor(length / 2) + 1);
}

function msPerStep({ steps }: StudyRun): number {
  return meanOf(steps.map(({ ms }) => ms));
}
