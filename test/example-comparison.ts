/** A comparison with made-up accuracies: nothing is trained for it. */
import type { ComparedRun, Comparison } from '../src/coordinator/compare/comparison-schema.js';

export type Accuracies = readonly (readonly (number | null | 'diverged' | undefined)[])[];

/** Accuracies of arm a and arm b (and c) by seed; undefined for a run that has not ended. One that diverged ended in its first step. */
export function exampleComparison(...accuracies: Accuracies): Comparison {
  const arms = ['a', 'b', 'c'].slice(0, Math.max(2, accuracies.length));
  const seeds = accuracies[0]!.map((_, i) => i + 1);
  return {
    ...{ format: 1, kind: 'comparison', name: 'x', startedAt: '2026-01-01T00:00:00.000Z', commandLine: [] },
    machine: { host: 'h', processor: 'p', cores: 2, gpus: 0, memoryGb: 8, kernel: '6' },
    ...{ versions: {}, seeds, budget: 'samples', testImages: 10_000, differences: [] },
    arms: arms.map((name) => ({ name, config: 'c', set: [], samples: 1000, encoderPasses: 3000 })),
    runs: seeds.flatMap((seed, i) =>
      arms.flatMap((arm, a): ComparedRun[] => {
        const accuracy = accuracies[a]?.[i];
        if (accuracy === undefined) return [];
        const run = `${arm}/seed-${seed}`;
        if (accuracy === 'diverged') {
          const diverged = `The loss is NaN at step ${seed}.`;
          return [{ arm, seed, run, accuracy: null, diverged, seconds: 0, workers: 1, weightsDigest: null }];
        }
        return [{ arm, seed, run, accuracy, seconds: 10 * (a + 1), workers: 2, weightsDigest: 'd' }];
      }),
    ),
  };
}
