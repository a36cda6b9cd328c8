/** One step on one worker, up to the commit: forward and backward of its micro-batches, gather, all-reduce. */
import type { Parameters } from '../shared/augment/parameters.js';
import type { HostTensor } from '../shared/engine/host-tensor.js';
import type { Range } from '../shared/plan/range.js';
import type { Phase, StepResult, StepTimes } from '../shared/protocol/messages.js';
import { simulateCompute } from '../shared/simulation/compute.js';
import type { PeerExchange } from '../shared/transport/peer-exchange.js';
import { Reducer } from './exchange/reducer.js';
import { computeInTurn } from './in-turn.js';
import { LocalSums } from './local-sums.js';
import type { StageProgram } from './stage-program.js';
import type { StepRecorder } from './step-recorder.js';
import { computeTogether } from './together.js';

/** A micro-batch, ready to be fed: a row for each of its images, or two where there are two views (see plan/views.ts). */
export interface MicroBatch {
  /** uint8, [rows,32,32,3]; empty where there are features. */
  readonly images: Uint8Array;
  /** float32, [rows,f]: what the frozen encoder makes of the images, where the stage caches it. */
  readonly features?: Float32Array;
  /** [rows]. */
  readonly labels: Int32Array;
  /** int32 [2], keyed by seed, step and micro-batch. */
  readonly dropoutSeed: Int32Array;
  /** What the graph augments by; nothing where whole pixels are moved at most. */
  readonly augmentation?: Parameters;
}

export interface StepInput {
  readonly step: number;
  readonly range: Range;
  /** Micro-batch k of the step. */
  readonly batch: (k: number) => MicroBatch;
  /** What a wait on the peers may take, in ms. */
  readonly deadlineMs: number;
  readonly phase: (phase: Phase) => void;
  /** Notes when things happen, in a step that is traced. */
  readonly recorder?: StepRecorder | undefined;
}

export interface StepOutcome {
  /** The global batch's summed buckets, equal on every worker; the caller's to free. */
  readonly reduced: readonly HostTensor[];
  readonly result: StepResult;
  readonly ms: StepTimes;
}

/** A step that is being computed. */
export interface StepWork {
  readonly program: StageProgram;
  readonly exchange: PeerExchange;
  readonly input: StepInput;
  /** This worker's micro-batches by k, ascending. */
  readonly batches: ReadonlyMap<number, MicroBatch>;
  readonly sums: LocalSums;
  readonly reducer: Reducer;
  readonly clock: StepClock;
}

/**
 * Runs the step; no variable has changed afterwards.
 * @throws what the exchange throws: WORKER_LOST with rank and phase.
 */
export async function runStep(
  program: StageProgram,
  exchange: PeerExchange,
  input: StepInput,
): Promise<StepOutcome> {
  const { step, range, deadlineMs, phase } = input;
  const { microBatches } = program.shape;
  const clock = new StepClock();
  const batches = new Map<number, MicroBatch>();
  // Before anything is waited for: the caller fills the next step's meanwhile, and lets go of this one's.
  for (let k = range.lo; k < range.hi; k += 1) batches.set(k, input.batch(k));
  clock.lap('input');
  await simulateCompute(exchange.rank, batches.size);

  const sizes = program.buckets.map(({ size }) => size);
  const sums = new LocalSums(program.buckets.length, microBatches);
  // Nobody writes to it before all have contributed, and so have applied what it held before.
  const common = exchange.sums(sizes);
  const reducer = new Reducer({
    exchange,
    step,
    microBatches,
    buckets: sizes,
    output: (bucket) => common?.[bucket] ?? sums.output(bucket).floats,
    deadlineMs,
    observer: input.recorder,
  });
  try {
    const work = { program, exchange, input, batches, sums, reducer, clock };
    const contrastive = program.shape.synchronized ? await computeTogether(work) : await computeInTurn(work);
    clock.lap('compute');
    phase('reduce');
    await Promise.all(program.buckets.map(({ index }) => reducer.result(index)));
    clock.lap('exposedComm');
    const reduced = sums.finish(common);
    return { reduced, result: contrastive ?? softmaxResult(program, reduced), ms: clock.ms };
  } catch (error) {
    reducer.cancel(error as Error);
    sums.abandon();
    throw error;
  }
}

/** Loss and accuracy of the global batch, from the reduced sums. */
function softmaxResult(program: StageProgram, reduced: readonly HostTensor[]): StepResult {
  const { input, microBatches } = program.shape;
  const [loss, correct] = reduced[0]!.floats;
  return { loss: loss!, accuracy: correct! / (input.count * microBatches), excess: null };
}

/** Splits a step's time; waiting on peers inside of compute is moved to where it belongs. */
export class StepClock {
  readonly ms = { input: 0, compute: 0, exposedComm: 0 };
  #last = performance.now();
  #exposed = 0;

  lap(part: keyof StepClock['ms']): void {
    const now = performance.now();
    this.ms[part] += now - this.#last;
    if (part === 'compute') {
      this.ms.compute -= this.#exposed;
      this.ms.exposedComm += this.#exposed;
    }
    this.#last = now;
  }

  async exposed<T>(wait: () => Promise<T>): Promise<T> {
    const began = performance.now();
    try {
      return await wait();
    } finally {
      this.waited(performance.now() - began);
    }
  }

  /** Counts time as waiting on peers. */
  waited(ms: number): void {
    this.#exposed += ms;
  }
}
