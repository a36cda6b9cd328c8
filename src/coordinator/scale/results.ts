/** What a study came to, computed from its raw steps. */
import { type Estimate, estimate, meanOf } from '../../shared/statistics/estimate.js';
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
   * a repeat, so that a machine that is slower in one repeat is so on both sides. 1 for the smallest.
   */
  readonly efficiency: Estimate;
  readonly split: TimeSplit;
  readonly slowest: Slowest;
}

/** One for each number of workers that ran at least once, ascending. */
export function resultsOf({ runs, workers }: Pick<Study, 'runs' | 'workers'>): ScaleResult[] {
  const base = Math.min(...workers);
  return workers.flatMap((count) => {
    const own = runs.filter((run) => run.workers === count);
    if (own.length === 0) return [];
    const efficiencies = own.flatMap((run) => {
      const reference = runs.find((other) => other.workers === base && other.repeat === run.repeat);
      return reference === undefined ? [] : [throughput(run) / count / (throughput(reference) / base)];
    });
    const steps = own.flatMap((run) => run.steps);
    return [
      {
        workers: count,
        globalBatch: own[0]!.globalBatch,
        repeats: own.length,
        imagesPerSec: estimate(own.map(throughput)),
        msPerStep: estimate(own.map(msPerStep)),
        efficiency: estimate(efficiencies),
        split: meanSplit(steps.map(timeSplit)),
        slowest: mostOftenSlowest(steps),
      },
    ];
  });
}

/** Images per second of a run: all measured images over all measured time. */
export function throughput(run: StudyRun): number {
  return (run.globalBatch / msPerStep(run)) * 1000;
}

function msPerStep({ steps }: StudyRun): number {
  return meanOf(steps.map(({ ms }) => ms));
}
