import { describe, expect, it } from 'vitest';
import { expectedMaximum, forecast } from './forecast.js';
import type { Mode } from './plan.js';
import type { Study, StudyRun } from './study.js';

/** A micro-batch takes 100 ms, a commit 5 ms, 1 MB at 10 MB/s and 1 ms is reduced; nothing is hidden, nothing varies. */
function madeUp(mode: Mode, microBatches: number): Study {
  const run = (workers: number, repeat: number): StudyRun => {
    const own = mode === 'weak' ? microBatches * workers : microBatches;
    const compute = (100 * own) / workers;
    const comm = workers === 1 ? 0 : 2 + 200 * (1 - 1 / workers);
    const ranks = Array.from({ length: workers }, (): [number, number, number, number] => [
      0,
      compute,
      comm,
      5,
    ]);
    const steps = [0, 1, 2].map(() => ({ ms: compute + comm + 5, ranks }));
    return {
      ...{ workers, repeat, microBatches: own, globalBatch: own * 16, startedAt: '2026-01-01T00:00:00Z' },
      ...{ seconds: 1, othersLoad: 0, steps },
    };
  };
  return {
    ...{ format: 1, kind: 'scaling study', name: 'made up', mode, workers: [1, 2, 4], repeats: 2, warmup: 1 },
    ...{ steps: 3, startedAt: '2026-01-01T00:00:00Z', commandLine: [], versions: {}, config: {}, threads: 1 },
    machine: { host: 'h', processor: 'p', cores: 8, gpus: 0, memoryGb: 1, kernel: 'k' },
    ...{ microBatchSize: 16, reducedBytes: 1e6, network: { bytesPerSecond: 1e7, delayMs: 1 } },
    runs: [0, 1].flatMap((repeat) => [1, 2, 4].map((workers) => run(workers, repeat))),
  };
}

describe('a forecast', () => {
  it('is of the parts that were measured, on the network that is assumed', () => {
    const { network } = forecast(madeUp('weak', 1));
    const at = network.at.find(({ workers }) => workers === 64)!;
    expect(at.allReduceMs).toBeCloseTo(2 + 200 * (63 / 64), 6);
    // Between nothing hidden and all that two thirds of the last micro-batch can hide.
    const images = 64 * 16;
    const slowest = (images / (100 + at.allReduceMs + 5)) * 1000;
    const fastest = (images / (100 + at.allReduceMs - 200 / 3 + 5)) * 1000;
    expect(at.low / slowest).toBeCloseTo(1, 1);
    expect(at.high / fastest).toBeCloseTo(1, 1);
    expect(at.imagesPerSec).toBeGreaterThan(at.low);
    expect(at.imagesPerSec).toBeLessThan(at.high);
  });

  it('goes to 1024 workers in weak mode, to the micro-batches in strong mode', () => {
    expect(forecast(madeUp('weak', 1)).network.at.map(({ workers }) => workers)).toEqual(
      Array.from({ length: 11 }, (_, i) => 2 ** i),
    );
    expect(forecast(madeUp('strong', 16)).network.at.at(-1)!.workers).toBe(16);
  });

  it('takes commits for growing with the workers only where they had cores of their own', () => {
    const study = madeUp('weak', 1);
    const runs = study.runs.map((run) => ({
      ...run,
      steps: run.steps.map((step) => ({
        ...step,
        ranks: step.ranks.map(([a, b, c]): [number, number, number, number] => [
          a,
          b,
          c,
          3 + 2 * run.workers,
        ]),
      })),
    }));
    const commit = (cores: number) =>
      forecast({ ...study, runs, machine: { ...study.machine, cores } }).network.parts.commit.parameters;
    expect(commit(5).map((value) => Number(value.toFixed(6)))).toEqual([3, 2]);
    expect(commit(2)).toHaveLength(1);
    expect(commit(2)[0]).toBeCloseTo(5);
  });

  it('is the same whenever it is made', () => {
    expect(forecast(madeUp('weak', 2))).toEqual(forecast(madeUp('weak', 2)));
  });

  it('goes through what was measured, by the law', () => {
    const { law } = forecast(madeUp('strong', 16));
    const [one] = law!.at;
    expect(one!.imagesPerSec / (256 / 1.605)).toBeCloseTo(1, 1);
  });
});

describe('the slowest of many', () => {
  it('is as far off as the mean of the largest of N normal numbers', () => {
    // python: scipy.integrate of N·x·φ(x)·Φ(x)^(N−1)
    expect(expectedMaximum(1)).toBe(0);
    expect(expectedMaximum(2)).toBeCloseTo(0.5642, 1);
    expect(expectedMaximum(8)).toBeCloseTo(1.4236, 1);
    expect(expectedMaximum(100)).toBeCloseTo(2.5076, 1);
  });
});
