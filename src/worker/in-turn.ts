/** A worker's micro-batches one after the other: what a step does unless BatchNorm needs all of them at once. */
import type { HostTensor } from '../shared/engine/host-tensor.js';
import type { TracedFunction } from '../shared/engine/traced-function.js';
import type { StepResult } from '../shared/protocol/messages.js';
import { allEnded } from './all-ended.js';
import { Gather } from './exchange/gather.js';
import { feedsOf } from './functions/forward-backward.js';
import { globalObjective, rowsOf } from './global-objective.js';
import type { MicroBatch } from './micro-batch.js';
import type { StepWork } from './step-work.js';

/** One is enough. */
const slot = 0;

/** What becomes of the embedding that leaves a run, which waits for its gradient. */
type Answer = (rows: HostTensor) => Promise<void>;

/** Sums the worker's buckets and contributes them. Returns what the contrastive objective came to, if that is the stage's. */
export async function computeInTurn(work: StepWork): Promise<StepResult | undefined> {
  const { program, batches, reducer, input } = work;
  const { slots, embed } = program;
  const known = embed !== undefined && batches.size > 1 ? await embedFirst(work, embed) : undefined;
  input.phase('forward and backward');
  let contrastive = known?.result;
  for (const [k, batch] of batches) {
    reducer.check();
    const began = performance.now();
    const running = slots.run(slot, feedsOf(program.shape, batch));
    const answer: Answer = async (rows) => {
      if (known === undefined) contrastive = await gatherNow(work, k, batch, rows);
    };
    const answered = known === undefined ? undefined : answerWith(work, known.upstream, k);
    await allEnded(running, [takeAll(work, k, answer), answered]);
    input.recorder?.run(began);
  }
  return contrastive;
}

/**
 * Takes everything that the run of micro-batch k sends: buckets, as they leave the graph, into the worker's partial sums.
 * Whatever fails, all is taken and the run answered, so that it ends and leaves nothing to the next one.
 */
async function takeAll(work: StepWork, k: number, answer: Answer): Promise<void> {
  const { slots } = work.program;
  let failure: unknown;
  const fail = (error: unknown) => {
    failure ??= error;
  };
  let answering: Promise<void> | undefined;
  for (let left = slots.messages.length; left > 0; left -= 1) {
    const { message, value } = await slots.take();
    if (message.kind !== 'bucket') {
      answering = answer(value)
        .finally(() => value.free())
        .catch(fail);
      continue;
    }
    try {
      collect(work, k, message.bucket, value);
    } catch (error) {
      fail(error);
    }
  }
  await answering;
  if (failure !== undefined) throw failure;
}

/** Adds micro-batch k's bucket to the worker's partial sums, and contributes these when it is the last one's. */
function collect({ input, sums, reducer }: StepWork, k: number, bucket: number, value: HostTensor): void {
  sums.put(bucket, k, value);
  if (k < input.range.hi - 1) return;
  input.recorder?.left(bucket);
  for (const { node, value } of sums.entries(bucket)) reducer.contribute(bucket, node, value.values);
}

/** One micro-batch a worker: the gradient of the global loss goes back into the run that its embedding came from. */
async function gatherNow(
  work: StepWork,
  k: number,
  batch: MicroBatch,
  rows: HostTensor,
): Promise<StepResult> {
  const { program, clock, input } = work;
  const gather = gatherOf(work);
  try {
    const gathering = performance.now();
    gather.contribute('embeddings', k, rows.floats);
    gather.contribute('labels', k, Float32Array.from(batch.labels));
    const { result, upstream } = await clock.exposed(() => globalObjective(program, gather));
    input.recorder?.gather(gathering);
    await answerWith(work, upstream, k);
    return result;
  } catch (error) {
    // The run in flight must end, whatever became of the step: its gradients are thrown away.
    await program.slots.answer(slot, new Float32Array(rows.data.length));
    throw error;
  } finally {
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
): Promise<{ readonly result: StepResult; readonly upstream: Float32Array }> {
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
    return { result, upstream };
  } finally {
    gather.close();
  }
}

function gatherOf({ program, exchange, input: { step, deadlineMs } }: StepWork): Gather {
  return new Gather({ exchange, step, microBatches: program.shape.microBatches, deadlineMs });
}

/** Gives micro-batch k's rows of the gradient to the run that waits for them. */
async function answerWith({ program }: StepWork, upstream: Float32Array, k: number): Promise<void> {
  await program.slots.answer(slot, rowsOf(upstream, k, program.shape.microBatches));
}
