import { describe, expect, it } from 'vitest';
import { resultsOf } from './results.js';
import type { StudyRun } from './study.js';
import { splitParts, timeSplit } from './time-split.js';

type Ranks = StudyRun['steps'][number]['ranks'];

function run(workers: number, repeat: number, ms: number, ranks: Ranks): StudyRun {
  return {
    ...{ workers, repeat, microBatches: 4, globalBatch: 100, startedAt: '2026-01-01T00:00:00Z' },
    ...{ seconds: 1, othersLoad: 0, steps: [{ ms, ranks }] },
  };
}

const one: Ranks = [[1, 90, 0, 5]];

describe('the split of a step', () => {
  it('adds up to the step', () => {
    const split = timeSplit({
      ms: 100,
      ranks: [
        [2, 50, 30, 4],
        [4, 70, 10, 5],
        [0, 60, 22, 6],
      ],
    });
    // Rank 1 is busy for 74 ms, the others for 52 and 60.
    expect(split).toEqual({ compute: 60, waiting: 12, exposedComm: 10, commit: 5, input: 2, other: 11 });
    expect(splitParts.reduce((sum, { name }) => sum + split[name], 0)).toBe(100);
  });
});

describe('the results of a study', () => {
  it('take efficiency within a repeat: a machine that is slower for all has the same', () => {
    const two: Ranks = [one[0]!, [1, 80, 2, 5]];
    const runs = [run(1, 0, 100, one), run(2, 0, 62.5, two), run(2, 1, 125, two), run(1, 1, 200, one)];
    const [first, second] = resultsOf({ runs });
    expect(first!.efficiency.median).toBe(1);
    expect(second!.efficiency.median).toBeCloseTo(0.8);
    expect(second!.efficiency.interval!.map((end) => Number(end.toFixed(6)))).toEqual([0.8, 0.8]);
    expect(second!.imagesPerSec.median).toBe((1600 + 800) / 2);
    expect(second!.slowest).toEqual({ rank: 0, share: 1 });
  });

  it('split the time of the run in the middle, so that the parts add up to the median', () => {
    const runs = [100, 300, 140, 120].map((ms, repeat) => run(1, repeat, ms, [[1, ms - 10, 0, 5]]));
    const add = (split: Readonly<Record<string, number>>) => Object.values(split).reduce((a, b) => a + b, 0);
    const [odd] = resultsOf({ runs: runs.slice(0, 3) });
    expect([odd!.msPerStep.median, odd!.split.compute, add(odd!.split)]).toEqual([140, 130, 140]);
    const [even] = resultsOf({ runs });
    expect([even!.msPerStep.median, even!.split.compute, add(even!.split)]).toEqual([130, 120, 130]);
  });

  it('compare with the usual run of the fewest workers where theirs of the same repeat is missing', () => {
    const runs = [run(1, 0, 100, one), run(2, 1, 62.5, [one[0]!, one[0]!])];
    expect(resultsOf({ runs }).map(({ efficiency }) => efficiency.median)).toEqual([1, 0.8]);
  });

  it('leave out what did not run, and compare with the fewest workers', () => {
    const runs = [run(2, 0, 100, [one[0]!, one[0]!]), run(4, 0, 50, [one[0]!, one[0]!, one[0]!, one[0]!])];
    const results = resultsOf({ runs });
    expect(results.map(({ workers, efficiency }) => [workers, efficiency.median])).toEqual([
      [2, 1],
      [4, 1],
    ]);
  });
});
