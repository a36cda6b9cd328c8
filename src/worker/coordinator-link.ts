/** The worker's end of the control connection: messages in order, heartbeats both ways. */
import { Dealer } from 'zeromq';
import { LockstepError } from '../shared/errors.js';
import {
  type CoordinatorMessage,
  type CoordinatorMessageOf,
  coordinatorMessageSchema,
  type Phase,
  type WorkerMessage,
} from '../shared/protocol/messages.js';
import type { Join } from '../shared/security/join.js';
import { clientOptions } from '../shared/security/socket-options.js';
import { Outbox } from '../shared/transport/outbox.js';
import { beatMs, SilenceWatch } from '../shared/transport/silence.js';
import { decode, encode } from '../shared/transport/wire.js';
import type { Fault } from './fault.js';

/** A message, with the raw frames that came after it. */
export interface Received<M extends CoordinatorMessage = CoordinatorMessage> {
  readonly message: M;
  readonly frames: readonly Uint8Array[];
}

/** What the worker does is told at once, unless something was told so shortly before: steps may take milliseconds. */
const quietMs = 50;

/** So often in a row is no coincidence. */
const hangUps = 5;

export class CoordinatorLink {
  readonly #socket: Dealer;
  readonly #outbox: Outbox;
  readonly #queue: Received[] = [];
  #waiting: { resolve: (received: Received) => void; reject: (error: Error) => void } | undefined;
  readonly #samples: ((frames: readonly Uint8Array[]) => void)[] = [];
  #error: Error | undefined;
  #heard = performance.now();
  #timer: NodeJS.Timeout | undefined;
  #beatAt = performance.now();
  #phase: Phase = 'register';
  #step = 0;

  #superseded: (generation: number, error: LockstepError) => void = () => {};
  #reject: (error: LockstepError) => void = () => {};
  /** Rejects when the connection is over, in the middle of whatever the worker does. */
  readonly lost: Promise<never> = new Promise((_, reject) => {
    this.#reject = reject;
  });

  /** @param join where the coordinator is, what it must prove, and what proves that this worker belongs to the run */
  constructor(
    readonly join: Join,
    private readonly fault: Fault,
  ) {
    this.lost.catch(() => {});
    this.#socket = new Dealer({
      ...clientOptions(join, join.coordinatorKey),
      linger: 1000,
      handshakeInterval: 10_000,
      sendHighWaterMark: 0,
    });
    this.#outbox = new Outbox(this.#socket, 'the coordinator');
    this.#socket.events.on('handshake:error:auth', () => this.#fail(refused(join)));
    this.#socket.events.on('handshake:error:protocol', () => this.#fail(refused(join)));
    // With the wrong key for it, a coordinator hangs up in the middle of the handshake; so does one that ends.
    let hungUp = 0;
    this.#socket.events.on('handshake:error:other', () => {
      hungUp += 1;
      if (hungUp === hangUps) this.#fail(refused(join));
    });
    this.#socket.connect(join.endpoint);
    void this.#receive();
  }

  get phase(): Phase {
    return this.#phase;
  }

  /** What the worker does from now on; the coordinator names it when the worker is lost. */
  enter(phase: Phase, step = this.#step): void | Promise<void> {
    this.#phase = phase;
    this.#step = step;
    if (performance.now() - this.#beatAt > quietMs) this.#beat();
    return this.fault(phase, step);
  }

  /** Begins to beat, and to expect the coordinator's beat at least every `silenceMs`. */
  watch(silenceMs: number): void {
    clearInterval(this.#timer);
    this.#heard = performance.now();
    const watch = new SilenceWatch();
    this.#timer = setInterval(() => {
      this.#beat();
      const silence = performance.now() - this.#heard;
      if (watch.look() && silence > silenceMs) this.#lose(silence);
    }, beatMs);
  }

  send(message: WorkerMessage, ...frames: Uint8Array[]): Promise<void> {
    return this.#outbox.send([encode(message), ...frames]);
  }

  /** The next message. @throws LockstepError COORDINATOR_LOST, or PROTOCOL for what is not one. */
  next(): Promise<Received> {
    const queued = this.#queue.shift();
    if (queued !== undefined) return Promise.resolve(queued);
    if (this.#error !== undefined) return Promise.reject(this.#error);
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
  }

  /** Calls `end` whenever a new generation is announced, so that what waits for peers of earlier ones ends. */
  onForm(end: (generation: number, error: LockstepError) => void): void {
    this.#superseded = end;
  }

  /**
   * The next message, which must be of this type.
   * @throws LockstepError SUPERSEDED when a new generation begins instead; `next` then gives it
   */
  async expect<T extends CoordinatorMessage['type']>(type: T): Promise<Received<CoordinatorMessageOf<T>>> {
    const received = await this.next();
    if (received.message.type === 'form') {
      this.#queue.unshift(received);
      throw superseded();
    }
    if (received.message.type !== type) {
      throw new LockstepError(
        'PROTOCOL',
        `The coordinator sent '${received.message.type}' where '${type}' belongs.`,
      );
    }
    return received as Received<CoordinatorMessageOf<T>>;
  }

  /** Asks the coordinator for samples; its answers come in the order of the questions. */
  async samples(split: 'train' | 'test', ids: readonly number[]): Promise<readonly Uint8Array[]> {
    const answer = new Promise<readonly Uint8Array[]>((resolve) => {
      this.#samples.push(resolve);
    });
    await this.send({ type: 'samples', split, ids: [...ids] });
    return await Promise.race([answer, this.lost]);
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#outbox.close(1000);
  }

  async #receive(): Promise<void> {
    try {
      for await (const [head, ...frames] of this.#socket) {
        this.#heard = performance.now();
        const message = decode(head!, coordinatorMessageSchema);
        if (message.type === 'beat') continue;
        if (message.type === 'stop' && message.error !== null) {
          // An error elsewhere ends this worker wherever it is.
          this.#fail(new LockstepError('WORKER_LOST', message.error));
          continue;
        }
        const received = { message, frames };
        if (message.type === 'samples') {
          // Samples are asked for ahead of time: their answer may come between any other messages.
          this.#samples.shift()?.(frames);
          continue;
        }
        if (message.type === 'form') {
          // What came before it is void, but for a commit and a snapshot, which hold whoever is lost.
          const kept = this.#queue.filter((earlier) => ['commit', 'snapshot'].includes(earlier.message.type));
          this.#queue.splice(0, this.#queue.length, ...kept);
          this.#superseded(message.generation, superseded());
        }
        if (this.#waiting === undefined) this.#queue.push(received);
        else {
          this.#waiting.resolve(received);
          this.#waiting = undefined;
        }
      }
    } catch (cause) {
      this.#fail(
        cause instanceof LockstepError
          ? cause
          : new LockstepError(
              'TRANSPORT',
              `The connection to the coordinator failed: ${(cause as Error).message}.`,
            ),
      );
    }
  }

  #beat(): void {
    this.#beatAt = performance.now();
    this.send({ type: 'beat', phase: this.#phase, step: this.#step }).catch(() => {});
  }

  #lose(silence: number): void {
    this.#fail(
      new LockstepError(
        'COORDINATOR_LOST',
        `The coordinator at ${this.join.endpoint} has been silent for ${(silence / 1000).toFixed(1)} s (phase: ${this.#phase}, step ${this.#step}).`,
        { hint: 'This worker ends; start the run again.' },
      ),
    );
  }

  #fail(error: LockstepError): void {
    if (this.#error !== undefined) return;
    this.#error = error;
    clearInterval(this.#timer);
    this.#waiting?.reject(error);
    this.#waiting = undefined;
    this.#reject(error);
  }
}

function refused({ endpoint }: Join): LockstepError {
  return new LockstepError('COORDINATOR_LOST', `What listens at ${endpoint} refuses this worker.`, {
    hint: 'Is the join file of another run, or of an earlier start of this one?',
  });
}

function superseded(): LockstepError {
  return new LockstepError('SUPERSEDED', 'A new generation begins.');
}
