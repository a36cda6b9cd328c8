/** The workers of a run as the coordinator sees them: one ROUTER socket, a queue of messages a worker, and who is lost. */
import { Router } from 'zeromq';
import { LockstepError } from '../shared/errors.js';
import {
  type CoordinatorMessage,
  type Peer,
  type Phase,
  protocolVersion,
  type WorkerMessage,
  type WorkerMessageOf,
  workerMessageSchema,
} from '../shared/protocol/messages.js';
import { Outbox } from '../shared/transport/outbox.js';
import { decode, encode } from '../shared/transport/wire.js';
import { version } from '../shared/version.js';

/** A message of a worker, with the raw frames that came after it. */
export interface Received<M extends WorkerMessage = WorkerMessage> {
  readonly message: M;
  readonly frames: readonly Uint8Array[];
}

export interface Member {
  readonly rank: number;
  readonly host: string;
  readonly pid: number;
  readonly gpu: string | null;
  readonly peer: Peer;
  /** The launcher's place that it fills; null for a worker that was started by hand. */
  readonly slot: number | null;
}

/** Messages that wait to be received, and who waits for the next one. */
interface Channel {
  readonly queue: Received[];
  waiting: ((received: Received) => void) | undefined;
}

interface Connection {
  readonly identity: Buffer;
  /** Answers, in the order of what they answer. */
  readonly answers: Channel;
  /** A checkpoint's tensors, which come while steps go on. */
  readonly snapshot: Channel;
  heard: number;
  phase: Phase;
  step: number;
  registration: WorkerMessageOf<'register'> | undefined;
  member: Member | undefined;
  said: 'bye' | undefined;
}

export interface WorkerGroupOptions {
  /** Where to listen, such as tcp://127.0.0.1:*. */
  readonly bind: string;
  /** How long a worker may be silent. */
  readonly heartbeatMs: number;
  readonly log: (message: string) => void;
  /** Answers a worker that has no copy of the data. */
  readonly samples: (request: WorkerMessageOf<'samples'>) => readonly Uint8Array[];
}

/** Larger than any tensor of a checkpoint; what is larger is no message of ours. */
const maxMessageBytes = 1 << 28;
const beatMs = 1000;

export class WorkerGroup {
  readonly #connections = new Map<string, Connection>();
  readonly #ranks: Connection[] = [];
  readonly #outbox: Outbox;
  readonly #timer: NodeJS.Timeout;
  #registered: () => void = () => {};
  #reject: (error: LockstepError) => void = () => {};
  #ended = false;
  #dropped = 0;
  /** Rejects when a worker is lost or fails, in the middle of whatever the coordinator waits for. */
  readonly lost: Promise<never> = new Promise((_, reject) => {
    this.#reject = reject;
  });

  private constructor(
    private readonly socket: Router,
    private readonly options: WorkerGroupOptions,
  ) {
    this.lost.catch(() => {});
    this.#outbox = new Outbox(
      { send: (frames) => socket.send(frames), close: () => socket.close() },
      'the workers',
    );
    this.#timer = setInterval(() => this.#beat(), beatMs);
    void this.#receive();
  }

  /** @throws LockstepError TRANSPORT when the address can't be bound. */
  static async bind(options: WorkerGroupOptions): Promise<WorkerGroup> {
    const socket = new Router({
      linger: 2000,
      // Without it a message to a worker that is gone vanishes silently.
      mandatory: true,
      handshakeInterval: 10_000,
      maxMessageSize: maxMessageBytes,
      sendHighWaterMark: 0,
    });
    try {
      await socket.bind(options.bind);
    } catch (cause) {
      socket.close();
      throw new LockstepError(
        'TRANSPORT',
        `The coordinator can't listen at ${options.bind}: ${(cause as Error).message}.`,
        {
          hint: 'Give an address of this host and a free port with --bind.',
          cause,
        },
      );
    }
    return new WorkerGroup(socket, options);
  }

  get endpoint(): string {
    return this.socket.lastEndpoint!;
  }

  get members(): readonly Member[] {
    return this.#ranks.map(({ member }) => member!);
  }

  /**
   * Waits until `count` workers have registered and gives them ranks: launched ones by their place, others by arrival.
   * @throws LockstepError WORKER_LOST when the deadline passes first.
   */
  async register(count: number, deadlineMs: number): Promise<readonly Member[]> {
    const registered = () =>
      [...this.#connections.values()].filter(({ registration }) => registration !== undefined);
    await this.#within(
      deadlineMs,
      new Promise<void>((resolve) => {
        this.#registered = () => {
          if (registered().length >= count) resolve();
        };
        this.#registered();
      }),
      () => `Only ${registered().length} of ${count} workers registered`,
    );
    const chosen = registered().slice(0, count);
    chosen.sort((a, b) => (a.registration!.slot ?? count) - (b.registration!.slot ?? count));
    for (const [rank, connection] of chosen.entries()) {
      const { host, pid, gpu, peer, slot } = connection.registration!;
      connection.member = { rank, host, pid, gpu, peer: { ...peer, rank }, slot };
      this.#ranks.push(connection);
    }
    return this.members;
  }

  async send(rank: number, message: CoordinatorMessage, ...frames: readonly Uint8Array[]): Promise<void> {
    const { identity } = this.#ranks[rank]!;
    try {
      await this.#outbox.send([identity, encode(message), ...frames]);
    } catch (cause) {
      throw this.#lossOf(rank, 'its connection is gone', cause);
    }
  }

  async broadcast(message: CoordinatorMessage): Promise<void> {
    await Promise.all(this.#ranks.map((_, rank) => this.send(rank, message)));
  }

  /** The next message of one worker, which must be of this type. */
  async receive<T extends WorkerMessage['type']>(
    rank: number,
    type: T,
    deadlineMs: number,
  ): Promise<Received<WorkerMessageOf<T>>> {
    const connection = this.#ranks[rank]!;
    const channel = channelOf(connection, type);
    const queued = channel.queue.shift();
    const received =
      queued ??
      (await this.#within(
        deadlineMs,
        new Promise<Received>((resolve) => {
          channel.waiting = resolve;
        }),
        () =>
          `${this.nameOf(rank)} did not send '${type}' (its phase: ${connection.phase}, step ${connection.step})`,
      ));
    if (received.message.type !== type) {
      throw new LockstepError(
        'PROTOCOL',
        `${this.nameOf(rank)} sent '${received.message.type}' where '${type}' belongs (phase: ${connection.phase}).`,
      );
    }
    return received as Received<WorkerMessageOf<T>>;
  }

  /** One message of this type from every worker, in order of rank. */
  async collect<T extends WorkerMessage['type']>(type: T, deadlineMs: number): Promise<WorkerMessageOf<T>[]> {
    const all = await Promise.all(this.#ranks.map((_, rank) => this.receive(rank, type, deadlineMs)));
    return all.map(({ message }) => message);
  }

  /** The process in a launcher's place has ended. A loss, unless it has said bye. */
  exited(slot: number, how: string): void {
    if (this.#ended) return;
    const rank = this.#ranks.findIndex(({ member }) => member?.slot === slot);
    if (rank < 0)
      this.#fail(
        new LockstepError('WORKER_LOST', `Local worker ${slot} ended before it had a rank: ${how}.`),
      );
    else if (this.#ranks[rank]!.said !== 'bye') this.#fail(this.#lossOf(rank, how));
  }

  nameOf(rank: number): string {
    return `rank ${rank} on ${this.#ranks[rank]?.member?.host ?? 'an unknown host'}`;
  }

  /** Tells all workers to end: with null because the run is done, else because of this error. */
  async stop(error: string | null): Promise<void> {
    this.#ended = true;
    await Promise.allSettled(
      [...this.#connections.values()].map(({ identity }) =>
        this.#outbox.send([identity, encode({ type: 'stop', error } satisfies CoordinatorMessage)]),
      ),
    );
  }

  async close(): Promise<void> {
    this.#ended = true;
    clearInterval(this.#timer);
    if (this.#dropped > 0) this.options.log(`${this.#dropped} messages that were none of ours were dropped`);
    await this.#outbox.close(1000);
  }

  async #receive(): Promise<void> {
    for await (const [identity, head, ...frames] of this.socket) {
      if (identity === undefined || head === undefined) continue;
      try {
        this.#handle(identity, decode(head, workerMessageSchema), frames);
      } catch (error) {
        if (!(error instanceof LockstepError)) throw error;
        this.#dropped += 1;
        if (this.#dropped === 1) this.options.log(`A control message was dropped: ${error.line}`);
      }
    }
  }

  #handle(identity: Buffer, message: WorkerMessage, frames: Buffer[]): void {
    const key = identity.toString('hex');
    let connection = this.#connections.get(key);
    if (connection === undefined) {
      if (message.type !== 'register')
        throw new LockstepError('PROTOCOL', `A stranger sent '${message.type}'.`);
      connection = newConnection(identity);
    }
    connection.heard = performance.now();
    switch (message.type) {
      case 'register':
        this.#admit(key, connection, message);
        break;
      case 'beat':
        connection.phase = message.phase;
        connection.step = message.step;
        break;
      case 'bye':
        connection.said = 'bye';
        break;
      case 'failed': {
        const rank = this.#ranks.indexOf(connection);
        const who = rank < 0 ? `A worker on ${connection.registration?.host}` : capital(this.nameOf(rank));
        this.#fail(
          new LockstepError('WORKER_LOST', `${who} failed (phase: ${message.phase}): ${message.message}`),
        );
        break;
      }
      case 'samples':
        void this.#outbox
          .send([
            identity,
            encode({ type: 'samples', split: message.split, ids: [] } satisfies CoordinatorMessage),
            ...this.options.samples(message),
          ])
          .catch(() => {});
        break;
      default: {
        const channel = channelOf(connection, message.type);
        const { waiting } = channel;
        channel.waiting = undefined;
        if (waiting === undefined) channel.queue.push({ message, frames });
        else waiting({ message, frames });
      }
    }
  }

  #admit(key: string, connection: Connection, message: WorkerMessageOf<'register'>): void {
    if (message.protocol !== protocolVersion || message.version !== version) {
      const error = `This worker is Lockstep ${message.version} (protocol ${message.protocol}), the coordinator ${version} (protocol ${protocolVersion}).`;
      void this.#outbox
        .send([connection.identity, encode({ type: 'stop', error } satisfies CoordinatorMessage)])
        .catch(() => {});
      throw new LockstepError('PROTOCOL', `A worker on ${message.host} was turned away: ${error}`);
    }
    connection.registration = message;
    this.#connections.set(key, connection);
    this.options.log(
      `registered: worker on ${message.host}, pid ${message.pid}, GPU ${message.gpu ?? 'none'}`,
    );
    this.#registered();
  }

  #beat(): void {
    for (const connection of this.#connections.values()) {
      void this.#outbox
        .send([connection.identity, encode({ type: 'beat' } satisfies CoordinatorMessage)])
        .catch(() => {});
      const silence = performance.now() - connection.heard;
      const rank = this.#ranks.indexOf(connection);
      if (this.#ended || rank < 0 || silence <= this.options.heartbeatMs) continue;
      this.#fail(this.#lossOf(rank, `silent for ${(silence / 1000).toFixed(1)} s`));
    }
  }

  #lossOf(rank: number, how: string, cause?: unknown): LockstepError {
    const { phase, step } = this.#ranks[rank]!;
    return new LockstepError(
      'WORKER_LOST',
      `Lost ${this.nameOf(rank)} (phase: ${phase}, step ${step}): ${how}.`,
      {
        cause,
        hint: 'Its log says more.',
      },
    );
  }

  #fail(error: LockstepError): void {
    if (!this.#ended) this.#reject(error);
  }

  /** `promise`, unless a worker is lost or the deadline passes. */
  async #within<T>(deadlineMs: number, promise: Promise<T>, late: () => string): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const deadline = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new LockstepError('WORKER_LOST', `${late()} within ${deadlineMs / 1000} s.`)),
        deadlineMs,
      );
    });
    try {
      return await Promise.race([promise, deadline, this.lost]);
    } finally {
      clearTimeout(timer);
    }
  }
}

function channelOf({ answers, snapshot }: Connection, type: WorkerMessage['type']): Channel {
  return type === 'snapshot' || type === 'tensor' ? snapshot : answers;
}

function newConnection(identity: Buffer): Connection {
  return {
    identity,
    answers: { queue: [], waiting: undefined },
    snapshot: { queue: [], waiting: undefined },
    heard: performance.now(),
    phase: 'register',
    step: 0,
    registration: undefined,
    member: undefined,
    said: undefined,
  };
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
