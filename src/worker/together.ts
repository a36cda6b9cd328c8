/** All of a worker's micro-batches at once: what a step does where BatchNorm's statistics are those of the global batch. */
import type { HostTensor } from '../shared/engine/host-tensor.js';
import type { StepResult } from '../shared/protocol/messages.js';
import { allEnded } from './all-ended.js';
import { Gather } from './exchange/gather.js';
import { combineMoments, combineSums } from './exchange/moments.js';
import { feedsOf } from './functions/forward-backward.js';
import { globalObjective, rowsOf } from './global-objective.js';
import type { Exchange, Message, Slots } from './slots.js';
import type { StepWork } from './step-work.js';

/** Sums the worker's buckets and contributes them. Returns what the contrastive objective came to, if that is the stage's. */
export async function computeTogether(work: StepWork): Promise<StepResult | undefined> {
  const { program, exchange, input, batches } = work;
  const { slots } = program;
  const { step, deadlineMs, phase } = input;
  const gather = new Gather({ exchange, step, microBatches: program.shape.microBatches, deadlineMs });
  try {
    await slots.reserve(batches.size);
    phase('forward and backward');
    if (program.objective !== undefined) {
      for (const [k, { labels }] of batches) gather.contribute('labels', k, Float32Array.from(labels));
    }
    const runs = [...batches.values()].map(async (batch, slot) => {
      const began = performance.now();
      await slots.run(slot, feedsOf(program.shape, batch));
      input.recorder?.run(began);
    });
    const lastAsked = new Map<Message, number>();
    const answering = answerAll(work, slots, gather, lastAsked);
    await allEnded(Promise.all(runs), [takeAll(work, slots, gather, lastAsked), answering]);
    return await answering;
  } finally {
    gather.close();
  }
}

/**
 * Takes whatever the runs send: buckets into the worker's sums, the rest to everybody. When one fails all others are
 * taken: the runs go on to their end.
 */
async function takeAll(
  { input: { range, recorder }, batches, sums, reducer }: StepWork,
  slots: Slots,
  gather: Gather,
  lastAsked: Map<Message, number>,
): Promise<void> {
  const missing = new Map(slots.messages.map((message) => [message, batches.size]));
  const collect = (k: number, message: Message, value: HostTensor): void => {
    if (message.kind !== 'bucket') {
      gather.contribute(message.name, k, value.floats);
      value.free();
      lastAsked.set(message, performance.now());
      return;
    }
    sums.put(message.bucket, k, value);
    if (missing.get(message)! > 0) return;
    recorder?.left(message.bucket);
    for (const { node, value } of sums.entries(message.bucket)) {
      reducer.contribute(message.bucket, node, value.values);
    }
  };
  let failure: unknown;
  for (let left = batches.size * slots.messages.length; left > 0; left -= 1) {
    const { slot, message, value } = await slots.take();
    missing.set(message, missing.get(message)! - 1);
    try {
      collect(range.lo + slot, message, value);
    } catch (error) {
      failure ??= error;
    }
  }
  if (failure !== undefined) throw failure;
}

/**
 * Answers every exchange, in the order in which the runs wait for them. When one fails the runs still go on to their
 * end, with zeros for answers: they can't be left behind, and the next step finds all queues empty.
 */
async function answerAll(
  { program, input: { range, recorder }, batches, clock }: StepWork,
  slots: Slots,
  gather: Gather,
  lastAsked: ReadonlyMap<Message, number>,
): Promise<StepResult | undefined> {
  const { microBatches } = program.shape;
  let result: StepResult | undefined;
  /** The answer to micro-batch k. */
  const answerTo = async ({ kind, name }: Exchange): Promise<(k: number) => Float32Array> => {
    if (kind === 'embeddings') {
      const { upstream, ...objective } = await globalObjective(program, gather);
      result = objective.result;
      return (k) => rowsOf(upstream, k, microBatches);
    }
    const combine = kind === 'moments' ? combineMoments : combineSums;
    const answer = combine(await gather.result(name), microBatches);
    return () => answer;
  };
  let failure: Error | undefined;
  let lastAnswered = 0;
  for (const message of slots.messages) {
    if (message.kind === 'bucket') continue;
    let answer: (k: number) => Float32Array = () => new Float32Array(message.size);
    try {
      if (failure === undefined) answer = await answerTo(message);
    } catch (error) {
      failure = error as Error;
    }
    const now = performance.now();
    recorder?.gather(Math.min(now, lastAsked.get(message) ?? now));
    // Nothing is computed from when our last run is here until everybody's are.
    clock.waited(now - Math.max(lastAsked.get(message) ?? now, lastAnswered));
    await Promise.all([...batches.keys()].map((k) => slots.answer(k - range.lo, answer(k))));
    lastAnswered = performance.now();
  }
  if (failure !== undefined) throw failure;
  return result;
}
