/** Forward-backward functions, one a slot: as many as micro-batches are in flight together. */
import process from 'node:process';
import type { HostTensor } from '../shared/engine/host-tensor.js';
import { InStream, OutStream } from '../shared/engine/stream.js';
import { tf } from '../shared/engine/tensorflow.js';
import type { Feeds, TracedFunction } from '../shared/engine/traced-function.js';
import { LockstepError } from '../shared/errors.js';
import type { Bucket } from '../shared/plan/buckets.js';
import { traceForwardBackward } from './functions/forward-backward.js';
import type { ExchangeKind, Host } from './functions/host.js';
import type { Replica } from './replica.js';
import type { StageShape } from './stage-shape.js';

/** A value that is exchanged; the answer has the same size. */
export interface Exchange {
  readonly kind: ExchangeKind;
  readonly name: string;
  /** In floats. */
  readonly size: number;
}

/** What a run sends. */
export type Message = { readonly kind: 'bucket'; readonly bucket: number } | Exchange;

interface Slot {
  readonly traced: TracedFunction;
  readonly answers: InStream;
}

/**
 * Each run in flight holds a thread of libuv's pool until it ends. These are left for what else must go on meanwhile: the
 * stream out, answers, a fingerprint, a snapshot.
 */
const otherThreads = 4;

export class Slots {
  readonly #out: OutStream;
  readonly #slots: Slot[] = [];
  #messages: readonly Message[] = [];

  constructor(
    private readonly replica: Replica,
    private readonly shape: StageShape,
    private readonly buckets: readonly Bucket[],
  ) {
    this.#out = new OutStream(replica.session, `stage ${shape.index}: out`);
  }

  /**
   * Makes that many slots, if they are not there yet: one where micro-batches are computed in turn, and one for each where
   * BatchNorm needs all of them at once. Each has a function of its own: one for all would be optimised as a whole, and its
   * bits could depend on their number. After a loss a worker makes several in the middle of a step, so the event loop gets a
   * turn after each: else the worker would be silent for too long.
   * @throws LockstepError CONFIG when so many runs can't be in flight
   */
  async reserve(count: number): Promise<void> {
    const most = Math.max(1, Number(process.env.UV_THREADPOOL_SIZE ?? 4) - otherThreads);
    if (count > most) {
      throw new LockstepError(
        'CONFIG',
        `With model.batchNorm.statistics globalBatch a worker computes all of its micro-batches at once, at most ${most}; ${count} were dealt.`,
        {
          hint: 'Start more workers, or make micro-batches larger and fewer: but for rounding that is the same.',
        },
      );
    }
    while (this.#slots.length < count) {
      this.#slots.push(this.#trace(this.#slots.length));
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** What every run sends, each once. */
  get messages(): readonly Message[] {
    return this.#messages;
  }

  run(slot: number, feeds: Feeds): Promise<unknown> {
    return this.#slots[slot]!.traced.run(feeds);
  }

  /** Waits for the next value that any slot sends; whoever takes it frees it. */
  async take(): Promise<{ readonly slot: number; readonly message: Message; readonly value: HostTensor }> {
    const { from, what, value } = await this.#out.take();
    return { slot: from, message: this.#messages[what]!, value };
  }

  /** Answers the slot's next exchange, in the order of `messages`. */
  async answer(slot: number, values: Float32Array): Promise<void> {
    await this.#slots[slot]!.answers.put(values);
  }

  #trace(from: number): Slot {
    const name = `stage ${this.shape.index}: forward and backward, slot ${from}`;
    const answers = new InStream(this.replica.session, name);
    const messages: Message[] = [];
    const traced = traceForwardBackward(name, this.replica, this.shape, this.buckets, (t): Host => {
      const send = (message: Message, value: Parameters<Host['send']>[1]): void => {
        t.send(this.#out, { from, what: messages.length }, value);
        messages.push(message);
      };
      return {
        send: (bucket, values) => send({ kind: 'bucket', bucket }, values),
        exchange: (kind, name, value) => {
          send({ kind, name, size: value.size }, value);
          return tf.reshape(t.receive(answers, value.size), value.shape);
        },
      };
    });
    // The same trace for every slot, so the same messages in the same order.
    this.#messages = messages;
    return { traced, answers };
  }
}
