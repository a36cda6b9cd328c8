/** One step on one worker, up to the commit: forward and backward of its micro-batches, gather, all-reduce. */
import type { HostTensor } from '../shared/engine/host-tensor.js';
import type { Range } from '../shared/plan/range.js';
import type { Phase, StepResult, StepTimes } from '../shared/protocol/messages.js';
import type { PeerExchange } from '../shared/transport/peer-exchange.js';
import { Gather } from './exchange/gather.js';
import { Reducer } from './exchange/reducer.js';
import { bucketPort, embeddingPort, upstreamPort } from './functions/forward-backward.js';
import { LocalSums } from './local-sums.js';
import type { StageProgram } from './stage-program.js';

/** A micro-batch, ready to be fed. */
export interface MicroBatch {
  /** uint8, [m,32,32,3]. */
  readonly images: Uint8Array;
  /** [m]. */
  readonly labels: Int32Array;
  /** int32 [2], keyed by seed, step and micro-batch. */
  readonly dropoutSeed: Int32Array;
}

export interface StepInput {
  readonly step: number;
  readonly range: Range;
  /** Micro-batch k of the step. */
  readonly batch: (k: number) => MicroBatch;
  /** What a wait on the peers may take, in ms. */
  readonly deadlineMs: number;
  readonly phase: (phase: Phase) => void;
}

export interface StepOutcome {
  /** The global batch's summed buckets, equal on every worker; the caller's to free. */
  readonly reduced: readonly HostTensor[];
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
  phase('input');
  for (let k = range.lo; k < range.hi; k += 1) batches.set(k, input.batch(k));
  clock.lap('input');

  const sums = new LocalSums(program.buckets.length, microBatches);
  const reducer = new Reducer({
    exchange,
    step,
    microBatches,
    buckets: program.buckets.map(({ size }) => size),
    output: (bucket) => sums.output(bucket).floats,
    deadlineMs,
  });
  try {
    const upstream =
      program.contrastive && range.hi - range.lo > 1
        ? await embedFirst(program, exchange, input, batches, clock)
        : undefined;
    phase('forward and backward');
    let contrastive = upstream?.result;
    for (const [k, batch] of batches) {
      reducer.check();
      const running = program.forwardBackward.run(feeds(program, batch));
      const served = [
        collect(program, k, sums, (bucket) => {
          if (k < range.hi - 1) return;
          for (const { node, value } of sums.entries(bucket)) reducer.contribute(bucket, node, value.floats);
        }),
        program.contrastive === undefined
          ? undefined
          : upstream === undefined
            ? gatherNow(program, exchange, input, k, batch, clock).then((result) => {
                contrastive = result;
              })
            : answerAgain(program, upstream.rows, k),
      ];
      await allEnded(running, served);
    }
    clock.lap('compute');
    phase('reduce');
    await Promise.all(program.buckets.map(({ index }) => reducer.result(index)));
    clock.lap('exposedComm');
    const reduced = sums.finish();
    return { reduced, result: contrastive ?? softmaxResult(program, reduced), ms: clock.ms };
  } catch (error) {
    reducer.cancel(error as Error);
    sums.abandon();
    throw error;
  }
}

/**
 * Waits for the run and for all who serve its ports. When one of these fails the run still goes on, and its other ports
 * are served to its end: it can't be left behind. When the run itself fails, nobody can be waited for.
 */
async function allEnded(running: Promise<unknown>, served: readonly (Promise<unknown> | undefined)[]) {
  const ends = Promise.allSettled([running, ...served]).then((results) => {
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  });
  await Promise.race([ends, running.then(() => ends)]);
}

function feeds(program: StageProgram, { images, labels, dropoutSeed }: MicroBatch) {
  const { config, dropsOut } = program.shape;
  return {
    images,
    ...(config.objective === 'softmax' ? { labels } : {}),
    ...(dropsOut ? { dropoutSeed } : {}),
  };
}

/** Takes every bucket of micro-batch k as it leaves the graph, and adds it to the worker's partial sums. */
async function collect(
  program: StageProgram,
  k: number,
  sums: LocalSums,
  complete: (bucket: number) => void,
): Promise<void> {
  for (const { index } of program.buckets) {
    sums.put(index, k, await program.forwardBackward.take(bucketPort(index)));
    complete(index);
  }
}

/** One micro-batch a worker: the embedding leaves the running step, and the upstream gradient goes back into it. */
async function gatherNow(
  program: StageProgram,
  exchange: PeerExchange,
  { step, deadlineMs }: StepInput,
  k: number,
  batch: MicroBatch,
  clock: StepClock,
): Promise<StepResult> {
  const rows = await program.forwardBackward.take(embeddingPort);
  const gather = new Gather({ exchange, step, microBatches: program.shape.microBatches, deadlineMs });
  try {
    gather.contribute('embeddings', k, rows.floats);
    gather.contribute('labels', k, Float32Array.from(batch.labels));
    const { result, upstream } = await clock.exposed(() => objective(program, gather));
    await answerWith(program, upstream, k);
    return result;
  } catch (error) {
    // The run in flight must end, whatever became of the step: its gradients are thrown away.
    await program.forwardBackward.put(upstreamPort, new Float32Array(rows.data.length));
    throw error;
  } finally {
    rows.free();
    gather.close();
  }
}

/**
 * More than one micro-batch a worker (GradCache, Gao et al. 2021): embed all of them, gather, and only then go
 * forward again and backward. Exact, since BatchNorm is per micro-batch and all randomness is keyed.
 */
async function embedFirst(
  program: StageProgram,
  exchange: PeerExchange,
  { step, deadlineMs, phase }: StepInput,
  batches: ReadonlyMap<number, MicroBatch>,
  clock: StepClock,
): Promise<{ readonly result: StepResult; readonly rows: Float32Array }> {
  phase('forward and backward');
  const gather = new Gather({ exchange, step, microBatches: program.shape.microBatches, deadlineMs });
  try {
    for (const [k, batch] of batches) {
      const { embedding } = await program.contrastive!.embed.run({ images: batch.images });
      gather.contribute('embeddings', k, embedding!.floats);
      gather.contribute('labels', k, Float32Array.from(batch.labels));
      embedding!.free();
    }
    phase('gather');
    const { result, upstream } = await clock.exposed(() => objective(program, gather));
    return { result, rows: upstream };
  } finally {
    gather.close();
  }
}

/** The global loss from everybody's rows, and its gradient with respect to them [B,d]. */
async function objective(
  program: StageProgram,
  gather: Gather,
): Promise<{ readonly result: StepResult; readonly upstream: Float32Array }> {
  const [rows, labels] = await Promise.all([gather.result('embeddings'), gather.result('labels')]);
  const { loss, excess, upstream } = await program.contrastive!.objective.run({
    rows,
    labels: Int32Array.from(labels),
  });
  const result = { loss: loss!.scalar, accuracy: null, excess: excess!.scalar };
  const gradient = upstream!.floats.slice();
  for (const tensor of [loss!, excess!, upstream!]) tensor.free();
  return { result, upstream: gradient };
}

/** Puts micro-batch k's rows of the gradient into the run that waits for them. */
async function answerWith(program: StageProgram, upstream: Float32Array, k: number): Promise<void> {
  const size = upstream.length / program.shape.microBatches;
  await program.forwardBackward.put(upstreamPort, upstream.subarray(k * size, (k + 1) * size));
}

/** The second pass of a micro-batch: its embedding is known, so it is taken out of the way. */
async function answerAgain(program: StageProgram, upstream: Float32Array, k: number): Promise<void> {
  await answerWith(program, upstream, k);
  (await program.forwardBackward.take(embeddingPort)).free();
}

/** Loss and accuracy of the global batch, from the reduced sums. */
function softmaxResult(program: StageProgram, reduced: readonly HostTensor[]): StepResult {
  const { input, microBatches } = program.shape;
  const [loss, correct] = reduced[0]!.floats;
  return { loss: loss!, accuracy: correct! / (input.count * microBatches), excess: null };
}

/** Splits a step's time; waiting on peers inside of compute is moved to where it belongs. */
class StepClock {
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
      this.#exposed += performance.now() - began;
    }
  }
}
