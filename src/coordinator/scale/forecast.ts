/** What more workers would come to, from what was measured. Nothing here is a measurement. */
import { allReduceMs, type WorkerLink } from '../../shared/plan/all-reduce-time.js';
import { rangeOf } from '../../shared/plan/range.js';
import {
  drawThroughput,
  fitScalingLaw,
  lawThroughput,
  type ScalingLaw,
} from '../../shared/plan/scaling-law.js';
import { coveringNodes } from '../../shared/plan/tree.js';
import { normal, uniform } from '../../shared/random/keyed.js';
import { normalQuantile } from '../../shared/random/normal-quantile.js';
import { parameterDraws } from '../../shared/statistics/draws.js';
import { deviation, meanOf, medianOf } from '../../shared/statistics/estimate.js';
import { type Fit, leastSquares, standardErrors } from '../../shared/statistics/least-squares.js';
import { busy } from '../rank-times.js';
import type { Mode } from './plan.js';
import { countsOf, throughput } from './results.js';
import { coresOf, type Study, type StudyRun } from './study.js';
import { ranksOf, timeSplit } from './time-split.js';

/** With its 95 % interval. */
export interface Forecast {
  readonly workers: number;
  readonly imagesPerSec: number;
  readonly low: number;
  readonly high: number;
}

export interface StudyForecast {
  /** Of what this machine would do, if its law went on. Undefined for a study of one number of workers. */
  readonly law: { readonly fitted: ScalingLaw; readonly at: readonly Forecast[] } | undefined;
  /** Of as many devices as workers, each as fast as the fewest of the study were, on a network. */
  readonly network: {
    readonly link: WorkerLink;
    readonly parts: StepParts;
    readonly at: readonly (Forecast & { readonly allReduceMs: number })[];
  };
}

/** Powers of two up to here. */
export const mostWorkers = 1024;
const draws = 1000;
const seed = 1;

export function forecast(study: Study): StudyForecast {
  const { bytesPerSecond, delayMs } = study.network;
  const link: WorkerLink = { latencyMs: delayMs, bytesPerSecond };
  const counts = forecastCounts(study);
  const fitted = fitScalingLaw(
    study.runs.map((run) => ({ workers: run.workers, imagesPerSec: throughput(run) })),
  );
  const drawn = fitted === undefined ? [] : drawThroughput(fitted, counts, draws);
  const parts = stepParts(study);
  const guesses = guessesAt(parts);
  return {
    law:
      fitted === undefined
        ? undefined
        : {
            fitted,
            at: counts.map((workers, i) => ({
              workers,
              ...band(lawThroughput(fitted, workers), drawn[i]!),
            })),
          },
    network: {
      link,
      parts,
      at: counts.map((workers) => {
        const { microBatches, images } = batchOf(study, workers);
        const all = allReduceMs(
          { workers, bytes: study.reducedBytes, nodes: mostNodes(microBatches, workers) },
          link,
        );
        const share = Math.ceil(microBatches / workers);
        const rate = (drawn: Drawn) => (images / stepMs(drawn, parts, workers, share, all)) * 1000;
        return {
          workers,
          allReduceMs: all,
          ...band(rate(expected(parts)), guesses.map(rate)),
        };
      }),
    },
  };
}

/** What a step is put together from; ms. */
export interface StepParts {
  /** Input and compute of one micro-batch on the fewest workers of the study, and its standard error. */
  readonly perMicroBatch: { readonly value: number; readonly error: number };
  /** From step to step and rank to rank, relative to the busy time: what many ranks wait for the slowest of them. */
  readonly spread: number;
  /** commit = a + b·N, with b ≥ 0; only a where the study can't tell b. */
  readonly commit: Fit;
  /** The share of the busy time that backward takes, behind which communication can hide. */
  readonly backward: number;
}

/** Backward is two of the three products of a layer. */
const backwardShare = 2 / 3;

export function stepParts(study: Study): StepParts {
  const { runs } = study;
  const [fewest = 1] = countsOf(study);
  const smallest = runs.filter((run) => run.workers === fewest);
  const share = smallest[0]!.microBatches / fewest;
  const perRun = smallest.map((run) => meanOf(busyTimes(run)) / share);
  const mean = meanOf(perRun);
  const error = perRun.length < 2 ? 0 : deviation(perRun) / Math.sqrt(perRun.length);
  const spread = medianOf(smallest.map((run) => deviation(busyTimes(run)) / meanOf(busyTimes(run))));
  return {
    perMicroBatch: { value: mean, error },
    spread: Number.isFinite(spread) ? spread : 0,
    commit: commitFit(study),
    backward: backwardShare,
  };
}

/**
 * A line through the commits of runs that had a core for each thread and one for the coordinator: where cores are shared, a
 * commit takes longer with every worker for that reason alone. A constant, that of the fewest workers, where only one
 * number of workers had them, or the line would fall.
 */
function commitFit(study: Study): Fit {
  const { runs, threads, machine } = study;
  const [fewest = 1] = countsOf(study);
  const points = runs
    .filter(
      (run) => run.workers === fewest || machine.gpus > 0 || run.workers * threads < coresOf(study, run),
    )
    .map((run) => ({
      workers: run.workers,
      ms: meanOf(run.steps.map((step) => timeSplit(step).commit)),
    }));
  const constant = () => {
    const own = points.filter((point) => point.workers === fewest);
    return leastSquares(([a]) => own.map(({ ms }) => ms - a!), [own[0]!.ms]);
  };
  if (new Set(points.map((point) => point.workers)).size < 2) return constant();
  const line = leastSquares(
    ([a, b]) => points.map((point) => point.ms - a! - b! * point.workers),
    [points[0]!.ms, 0],
  );
  return line.parameters[1]! < 0 ? constant() : line;
}

/** One guess at the parts. */
interface Drawn {
  readonly perMicroBatch: number;
  readonly commit: readonly number[];
  /** How much of what backward could hide is hidden, 0 to 1. */
  readonly hidden: number;
}

const expected = ({ perMicroBatch, commit }: StepParts): Drawn => ({
  perMicroBatch: perMicroBatch.value,
  commit: commit.parameters,
  hidden: 0.5,
});

/** How much is hidden is not known beforehand: anything from nothing to all that backward leaves room for. */
function guessesAt({ perMicroBatch: { value, error }, commit }: StepParts): Drawn[] {
  return parameterDraws(commit, draws).map((parameters, draw) => ({
    perMicroBatch: Math.max(value / 10, value + error * normal(seed, 'busy', draw)),
    commit: parameters,
    hidden: uniform(seed, 'hidden', draw),
  }));
}

function stepMs(drawn: Drawn, parts: StepParts, workers: number, microBatches: number, all: number): number {
  const alone = drawn.perMicroBatch * microBatches;
  const slowest = alone * (1 + parts.spread * expectedMaximum(workers));
  const [a = 0, b = 0] = drawn.commit;
  // Only the last micro-batch's backward has sums to send.
  const room = drawn.perMicroBatch * parts.backward * drawn.hidden;
  return slowest + Math.max(0, all - room) + Math.max(0, a + Math.max(0, b) * workers);
}

/** The mean of the largest of N standard normal numbers (Blom 1958). */
export function expectedMaximum(count: number): number {
  return count === 1 ? 0 : normalQuantile((count - 0.375) / (count + 0.25));
}

function band(value: number, drawn: readonly number[]): Omit<Forecast, 'workers'> {
  const sorted = [...drawn].sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.round(share * (sorted.length - 1))]!;
  return { imagesPerSec: value, low: Math.min(value, at(0.025)), high: Math.max(value, at(0.975)) };
}

/** Powers of two beyond what was measured, and what was; a fixed global batch ends at its micro-batches. */
function forecastCounts({ mode, runs }: Study): number[] {
  const most = mode === 'weak' ? mostWorkers : Math.min(mostWorkers, runs[0]!.microBatches);
  const powers = Array.from({ length: Math.floor(Math.log2(most)) + 1 }, (_, i) => 2 ** i);
  return [...new Set([...powers, ...countsOf({ runs })])].sort((a, b) => a - b);
}

function batchOf({ mode, runs, microBatchSize }: Study, workers: number) {
  const [run] = runs;
  const microBatches = batchFor(mode, run!, workers);
  return { microBatches, images: microBatches * microBatchSize };
}

function batchFor(mode: Mode, { microBatches, workers: own }: StudyRun, workers: number): number {
  return mode === 'weak' ? (microBatches / own) * workers : microBatches;
}

/** Of any rank. */
function mostNodes(microBatches: number, workers: number): number {
  let most = 1;
  for (let rank = 0; rank < workers; rank += 1) {
    const { lo, hi } = rangeOf(rank, workers, microBatches);
    most = Math.max(most, coveringNodes(lo, hi, microBatches).length);
  }
  return most;
}

/** Of every rank in every step. */
function busyTimes({ steps }: StudyRun): number[] {
  return steps.flatMap((step) => ranksOf(step).map(busy));
}

/** a and b of commit = a + b·N, with their standard errors. */
export function commitLine({ commit }: StepParts) {
  const errors = standardErrors(commit);
  const [a = 0, b = 0] = commit.parameters;
  return { a, b, aError: errors?.[0] ?? null, bError: errors?.[1] ?? null };
}
