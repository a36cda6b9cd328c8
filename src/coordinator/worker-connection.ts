/** One worker as the coordinator sees it: its messages in order, what it is doing, and whether it is lost. */
import type { LockstepError } from '../shared/errors.js';
import type { Peer, Phase, WorkerMessage, WorkerMessageOf } from '../shared/protocol/messages.js';
import { newAlarm } from './waiting.js';

/** A message of a worker, with the raw frames that came after it. */
export interface Received<M extends WorkerMessage = WorkerMessage> {
  readonly message: M;
  readonly frames: readonly Uint8Array[];
}

/** Messages that wait to be received, and who waits for the next one. */
class Channel {
  #queue: Received[] = [];
  #waiting: ((received: Received) => void) | undefined;

  put(received: Received): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting === undefined) this.#queue.push(received);
    else waiting(received);
  }

  /** The next message, for one who waits at a time. Whoever gives up says so, or it would swallow a message. */
  next(): Promise<Received> {
    const queued = this.#queue.shift();
    if (queued !== undefined) return Promise.resolve(queued);
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }

  giveUp(): void {
    this.#waiting = undefined;
  }
}

export class WorkerConnection {
  readonly #answers = new Channel();
  /** A checkpoint's tensors, which come while steps go on. */
  readonly #snapshot = new Channel();
  heard = performance.now();
  phase: Phase = 'register';
  step = 0;
  /** It has built its replica, and can be part of a generation. */
  ready = false;
  /** It is building graphs: those of a stage, or, before it is ready, the replica's. */
  busy = true;
  /** In the present generation. */
  rank: number | undefined;
  ended = false;
  #loss: LockstepError | undefined;
  readonly #alarm = newAlarm();

  constructor(
    readonly identity: Buffer,
    readonly registration: WorkerMessageOf<'register'>,
  ) {}

  /** Rejects when the worker is lost. */
  get lost(): Promise<never> {
    return this.#alarm.promise;
  }

  get loss(): LockstepError | undefined {
    return this.#loss;
  }

  /** The launcher's place that it fills; null for a worker that was started by hand. */
  get slot(): number | null {
    return this.registration.slot;
  }

  get name(): string {
    const { host, pid } = this.registration;
    return this.rank === undefined ? `the worker on ${host}, pid ${pid}` : `rank ${this.rank} on ${host}`;
  }

  get peer(): Peer {
    return { ...this.registration.peer, rank: this.rank! };
  }

  /** What the worker does after this message; its beats say the same, but up to a second later. */
  advance(message: WorkerMessage): void {
    // A checkpoint's tensors are on their way while the next stage's graphs are built.
    if (message.type === 'snapshot' || message.type === 'tensor') return;
    this.busy = false;
    if (message.type === 'reduced') {
      this.phase = 'commit';
      this.step = message.step;
    } else if (message.type === 'applied') {
      this.phase = 'forward and backward';
      this.step = message.step + 1;
    }
  }

  put(received: Received): void {
    this.#channel(received.message.type).put(received);
  }

  next(type: WorkerMessage['type']): Promise<Received> {
    return this.#channel(type).next();
  }

  /** Nobody waits for the message that `next` promised any more. */
  giveUp(type: WorkerMessage['type']): void {
    this.#channel(type).giveUp();
  }

  /** What comes of it from now on is dropped. */
  lose(error: LockstepError): void {
    if (this.#loss !== undefined) return;
    this.#loss = error;
    this.#alarm.raise(error);
  }

  #channel(type: WorkerMessage['type']): Channel {
    return type === 'snapshot' || type === 'tensor' ? this.#snapshot : this.#answers;
  }
}
