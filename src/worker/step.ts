/** One step on one worker, up to the commit: forward and backward of its micro-batches, gather, all-reduce. */
import type { HostTensor } from '../shared/engine/host-tensor.js';
import type { StepResult, StepTimes } from '../shared/protocol/messages.js';
import { simulateCompute } from '../shared/simulation/compute.js';
import type { PeerExchange } from '../shared/transport/peer-exchange.js';
import { Reducer } from './exchange/reducer.js';
import { computeInTurn } from './in-turn.js';
import { LocalSums } from './local-sums.js';
import type { MicroBatch } from './micro-batch.js';
import type { StageProgram } from './stage-program.js';
import { StepClock } from './step-clock.js';
import type { StepInput } from './step-work.js';
import { computeTogether } from './together.js';

export interface StepOutcome {
  /** The global batch's summed buckets, equal on every worker; the caller's to free. */
  readonly reduced: readonly HostTensor[];
  /**
   * √Σ‖g‖² over all reduced gradients together, the loss scale in them; equal on every worker. Infinite where the sum is
   * beyond float32: so a dynamic scale is halved while the gradients themselves are still far from that.
   */
  readonly scaledNorm: number;
  readonly result: StepResult;
  readonly ms: StepTimes;
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
  const sums = new LocalSums(program.buckets.length, microBatches, program.sumMemory);
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
    const squares = program.gradientBuckets.reduce((sum, { index }) => sum + reducer.squares(index), 0);
    const result = contrastive ?? softmaxResult(program, reduced);
    const scaledNorm = Math.fround(Math.sqrt(Math.fround(squares)));
    return { reduced, scaledNorm, result, ms: clock.ms };
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
