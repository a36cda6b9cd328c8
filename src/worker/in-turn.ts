/** A worker's micro-batches one after the other: what a step does unless BatchNorm needs all of them at once. */
import type { TracedFunction } from '../shared/engine/traced-function.js';
import type { StepResult } from '../shared/protocol/messages.js';
import { allEnded } from './all-ended.js';
import { Gather } from './exchange/gather.js';
import { bucketPort, embeddingPort, feedsOf, upstreamPort } from './functions/forward-backward.js';
import { globalObjective, rowsOf } from './global-objective.js';
import type { Passes } from './stage-program.js';
import type { MicroBatch, StepWork } from './step.js';

/** Sums the worker's buckets and contributes them. Returns what the contrastive objective came to, if that is the stage's. */
export async function computeInTurn(
  work: StepWork,
  { forwardBackward, embed }: Extract<Passes, { kind: 'in turn' }>,
): Promise<StepResult | undefined> {
  const { program, batches, reducer, input } = work;
  const upstream = embed !== undefined && batches.size > 1 ? await embedFirst(work, embed) : undefined;
  input.phase('forward and backward');
  let contrastive = upstream?.result;
  for (const [k, batch] of batches) {
    reducer.check();
    const began = performance.now();
    const running = forwardBackward.run(feedsOf(program.shape, batch));
    const served = [
      collect(work, forwardBackward, k),
      program.objective === undefined
        ? undefined
        : upstream === undefined
          ? gatherNow(work, forwardBackward, k, batch).then((result) => {
              contrastive = result;
            })
          : answerAgain(work, forwardBackward, upstream.rows, k),
    ];
    await allEnded(running, served);
    input.recorder?.run(began);
  }
  return contrastive;
}

/** Takes every bucket of micro-batch k as it leaves the graph, and adds it to the worker's partial sums. */
async function collect({ program, input, sums, reducer }: StepWork, run: TracedFunction, k: number) {
  for (const { index } of program.buckets) {
    sums.put(index, k, await run.take(bucketPort(index)));
    if (k < input.range.hi - 1) continue;
    input.recorder?.left(index);
    for (const { node, value } of sums.entries(index)) reducer.contribute(index, node, value.floats);
  }
}

/** One micro-batch a worker: the embedding leaves the running step, and the upstream gradient goes back into it. */
async function gatherNow(
  work: StepWork,
  run: TracedFunction,
  k: number,
  batch: MicroBatch,
): Promise<StepResult> {
  const { program, clock, input } = work;
  const rows = await run.take(embeddingPort);
  const gather = gatherOf(work);
  try {
    const gathering = performance.now();
    gather.contribute('embeddings', k, rows.floats);
    gather.contribute('labels', k, Float32Array.from(batch.labels));
    const { result, upstream } = await clock.exposed(() => globalObjective(program, gather));
    input.recorder?.gather(gathering);
    await answerWith(work, run, upstream, k);
    return result;
  } catch (error) {
    // The run in flight must end, whatever became of the step: its gradients are thrown away.
    await run.put(upstreamPort, new Float32Array(rows.data.length));
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
  work: StepWork,
  embed: TracedFunction,
): Promise<{ readonly result: StepResult; readonly rows: Float32Array }> {
  const { program, batches, reducer, input, clock } = work;
  input.phase('forward and backward');
  const gather = gatherOf(work);
  try {
    for (const [k, batch] of batches) {
      reducer.check();
      const began = performance.now();
      const { embedding } = await embed.run({ images: batch.images, ...batch.augmentation });
      input.recorder?.run(began);
      gather.contribute('embeddings', k, embedding!.floats);
      gather.contribute('labels', k, Float32Array.from(batch.labels));
      embedding!.free();
    }
    input.phase('gather');
    const gathering = performance.now();
    const { result, upstream } = await clock.exposed(() => globalObjective(program, gather));
    input.recorder?.gather(gathering);
    return { result, rows: upstream };
  } finally {
    gather.close();
  }
}

function gatherOf({ program, exchange, input: { step, deadlineMs } }: StepWork): Gather {
  return new Gather({ exchange, step, microBatches: program.shape.microBatches, deadlineMs });
}

/** Puts micro-batch k's rows of the gradient into the run that waits for them. */
async function answerWith({ program }: StepWork, run: TracedFunction, upstream: Float32Array, k: number) {
  await run.put(upstreamPort, rowsOf(upstream, k, program.shape.microBatches));
}

/** The second pass of a micro-batch: its embedding is known, so it is taken out of the way. */
async function answerAgain(work: StepWork, run: TracedFunction, upstream: Float32Array, k: number) {
  await answerWith(work, run, upstream, k);
  (await run.take(embeddingPort)).free();
}
