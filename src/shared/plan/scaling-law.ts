/** Throughput as a law of the number of workers, fitted to what was measured: Amdahl's, or Gunther's universal one. */
import { parameterDraws } from '../statistics/draws.js';
import { type Fit, leastSquares, standardErrors } from '../statistics/least-squares.js';

/**
 * X(N) = γ·N / (1 + σ·(N−1) + κ·N·(N−1)): Gunther's universal scalability law; with κ = 0 it is Amdahl's, whose serial share
 * is σ.
 */
export interface ScalingLaw {
  readonly law: 'universal' | 'Amdahl';
  /** γ, images per second of one worker; and its standard error, where there are more values than parameters. */
  readonly single: Parameter;
  /** σ, contention: the share that does not get faster. */
  readonly contention: Parameter;
  /** κ, coherence: what every pair of workers costs. 0 in Amdahl's law. */
  readonly coherence: Parameter;
  /** Root mean square of the relative deviations, by degrees of freedom. */
  readonly residual: number;
  readonly freedom: number;
  /** Of ln γ, and then of these. */
  readonly free: readonly Free[];
  readonly fit: Fit;
}

export interface Parameter {
  readonly value: number;
  readonly error: number | null;
}

export interface ThroughputSample {
  readonly workers: number;
  readonly imagesPerSec: number;
}

/**
 * Fits the logarithms, so that all relative deviations weigh the same. The universal law takes three different numbers
 * of workers, and what fits best must have no negative parameter: else one is left out. Undefined for one number of workers.
 */
export function fitScalingLaw(samples: readonly ThroughputSample[]): ScalingLaw | undefined {
  const distinct = new Set(samples.map(({ workers }) => workers)).size;
  if (distinct < 2) return undefined;
  const free: readonly Free[] = distinct >= 3 ? ['contention', 'coherence'] : ['contention'];
  return fitWith(samples, free);
}

type Free = 'contention' | 'coherence';

/** As many of the parameters as stay at or above 0. */
function fitWith(samples: readonly ThroughputSample[], free: readonly Free[]): ScalingLaw {
  const smallest = samples.reduce((least, other) => (other.workers < least.workers ? other : least));
  // The logarithm of γ, so that it is positive.
  const fit = leastSquares(
    (parameters) =>
      samples.map(({ workers, imagesPerSec }) =>
        Math.log(imagesPerSec / throughputAt(place(parameters, free), workers)),
      ),
    [Math.log(smallest.imagesPerSec / smallest.workers), ...free.map((name) => startOf[name])],
  );
  const negative = free.filter((_, i) => fit.parameters[i + 1]! < 0);
  if (negative.length > 0) {
    // κ is the first to go: without it the law is Amdahl's.
    const left = negative.includes('coherence') ? 'coherence' : 'contention';
    return fitWith(
      samples,
      free.filter((name) => name !== left),
    );
  }
  const errors = standardErrors(fit);
  const parameter = (name: Free): Parameter => {
    const i = free.indexOf(name) + 1;
    return i === 0 ? { value: 0, error: null } : { value: fit.parameters[i]!, error: errors?.[i] ?? null };
  };
  const single = Math.exp(fit.parameters[0]!);
  return {
    law: free.includes('coherence') ? 'universal' : 'Amdahl',
    single: { value: single, error: errors === null ? null : single * errors[0]! },
    contention: parameter('contention'),
    coherence: parameter('coherence'),
    residual: fit.residual,
    freedom: fit.freedom,
    free,
    fit,
  };
}

const startOf: Record<Free, number> = { contention: 0.05, coherence: 1e-3 };

interface LawParameters {
  readonly single: number;
  readonly contention: number;
  readonly coherence: number;
}

function place([logSingle = 0, ...rest]: readonly number[], free: readonly Free[]): LawParameters {
  const of = (name: Free) => rest[free.indexOf(name)] ?? 0;
  return { single: Math.exp(logSingle), contention: of('contention'), coherence: of('coherence') };
}

function throughputAt({ single, contention, coherence }: LawParameters, workers: number): number {
  return (single * workers) / (1 + contention * (workers - 1) + coherence * workers * (workers - 1));
}

/** Images per second by the law. */
export function lawThroughput(law: ScalingLaw, workers: number): number {
  const { single, contention, coherence } = law;
  return throughputAt(
    { single: single.value, contention: contention.value, coherence: coherence.value },
    workers,
  );
}

/** Images per second by the law as its errors might have it, one for each draw; parameters below 0 count as 0. */
export function drawThroughput(law: ScalingLaw, workers: readonly number[], draws: number): number[][] {
  const drawn = parameterDraws(law.fit, draws).map((parameters) => place(parameters, law.free));
  return workers.map((count) =>
    drawn.map(({ single, contention, coherence }) =>
      throughputAt({ single, contention: Math.max(0, contention), coherence: Math.max(0, coherence) }, count),
    ),
  );
}
