/** The workers of a run: one ROUTER socket, who has come, who is in the present generation, and who is lost. */
import { randomBytes } from 'node:crypto';
import { Router } from 'zeromq';
import { LockstepError } from '../shared/errors.js';
import {
  type CoordinatorMessage,
  type CoordinatorMessageOf,
  type Peer,
  protocolVersion,
  type WorkerMessage,
  type WorkerMessageOf,
  workerMessageSchema,
} from '../shared/protocol/messages.js';
import { Gate } from '../shared/security/gate.js';
import type { KeyPair } from '../shared/security/join.js';
import type { Protection } from '../shared/security/socket-options.js';
import { Outbox } from '../shared/transport/outbox.js';
import { beatMs, SilenceWatch } from '../shared/transport/silence.js';
import { decode, encode } from '../shared/transport/wire.js';
import { version } from '../shared/version.js';
import { hangingMember } from './hanging.js';
import { type Alarm, newAlarm, within } from './waiting.js';
import { type Received, WorkerConnection } from './worker-connection.js';

export interface WorkerGroupOptions {
  /** Where to listen, such as tcp://127.0.0.1:*. */
  readonly bind: string;
  /** The token lets workers in. */
  readonly protection: Protection;
  /** The coordinator's, which it proves to workers where links are encrypted. */
  readonly key: KeyPair;
  /** How long a worker may be silent. */
  readonly heartbeatMs: number;
  readonly log: (message: string) => void;
  /** What every worker that registers is told. */
  readonly welcome: Omit<CoordinatorMessageOf<'welcome'>, 'type'>;
  /** Told of each worker that is lost. */
  readonly lost: (worker: WorkerConnection) => void;
  /** Told when a worker passes on that the run is to end. */
  readonly signalled: (worker: WorkerConnection, signal: string) => void;
  /** Answers a worker that has no copy of the data. */
  readonly samples: (request: WorkerMessageOf<'samples'>) => readonly Uint8Array[];
  /** Where each rank finds its peers, by rank, if their links lead through something: a simulated network. */
  readonly route?: ((peers: readonly Peer[]) => Promise<readonly Peer[][]>) | undefined;
}

/** Larger than any tensor of a checkpoint; what is larger is no message of ours. */
const maxMessageBytes = 1 << 28;
/** How much longer a worker may be silent while it builds graphs, which nothing interrupts. */
const busyFactor = 6;
/** The same while it loads its libraries, which a cold file system may make long. */
const loadingFactor = 60;
/** How long libzmq may take to forget a connection that is gone. */
const settleMs = 20;
/** How long the socket may take to accept a message: without a limit to its queue, that is at once. */
const sendMs = 500;
/** How long a broken link or connection may wait for the news of who is lost, and how. */
const patienceMs = 200;

export class WorkerGroup {
  readonly #connections = new Map<string, WorkerConnection>();
  #members: readonly WorkerConnection[] = [];
  #generation = 0;
  /** Raised when a member of this generation is lost, or can't go on in it. */
  #broken = newAlarm();
  /** While a generation forms: raised for a member that gives up on its links. */
  #forming: ReadonlyMap<WorkerConnection, Alarm> | undefined;
  #late: WorkerConnection[] = [];
  readonly #outbox: Outbox;
  readonly #timer: NodeJS.Timeout;
  readonly #watch = new SilenceWatch();
  /** Called when a worker has come or gone. */
  #changed: () => void = () => {};
  /** A launched worker that ended before the first generation: it will not come. */
  #hopeless: LockstepError | undefined;
  #ended = false;
  #dropped = 0;

  private constructor(
    private readonly socket: Router,
    private readonly gate: Gate,
    private readonly options: WorkerGroupOptions,
  ) {
    this.#outbox = new Outbox(
      { send: (frames) => socket.send(frames), close: () => socket.close() },
      'the workers',
    );
    this.#timer = setInterval(() => {
      this.#beat();
      this.#listen();
    }, beatMs);
    // It does not say whose connection that was: sending tells.
    socket.events.on('disconnect', () => setTimeout(() => this.#beat(), settleMs));
    void this.#receive();
  }

  /** @throws LockstepError TRANSPORT when the address can't be bound. */
  static async bind(options: WorkerGroupOptions): Promise<WorkerGroup> {
    const gate = await Gate.open(options.protection, options.log);
    const socket = new Router({
      ...gate.socketOptions(options.key),
      linger: 2000,
      // Without it a message to a worker that is gone vanishes silently.
      mandatory: true,
      handshakeInterval: 10_000,
      maxMessageSize: maxMessageBytes,
      sendHighWaterMark: 0,
      // A message to a worker whose connection is just closing may find libzmq waiting for room that never comes, and what
      // is to be sent to others waits behind it.
      sendTimeout: sendMs,
    });
    gate.watch(socket);
    try {
      await socket.bind(options.bind);
    } catch (cause) {
      socket.close();
      gate.close();
      throw new LockstepError(
        'TRANSPORT',
        `The coordinator can't listen at ${options.bind}: ${(cause as Error).message}.`,
        {
          hint: 'Give an address of this host and a free port with --bind.',
          cause,
        },
      );
    }
    return new WorkerGroup(socket, gate, options);
  }

  /** Where it listens. */
  get endpoint(): string {
    return this.socket.lastEndpoint!;
  }

  get generation(): number {
    return this.#generation;
  }

  /** Of the present generation, in order of rank. */
  get members(): readonly WorkerConnection[] {
    return this.#members;
  }

  /** The members that are not lost. */
  get survivors(): readonly WorkerConnection[] {
    return this.#members.filter(({ loss }) => loss === undefined);
  }

  /** Workers that are ready and in no generation yet. */
  get spares(): readonly WorkerConnection[] {
    return [...this.#connections.values()].filter(
      (connection) =>
        connection.ready && connection.loss === undefined && !this.#members.includes(connection),
    );
  }

  /**
   * Waits until `count` workers have registered.
   * @throws LockstepError WORKER_LOST when the deadline passes first, or a launched one has ended
   */
  async registered(count: number, deadlineMs: number): Promise<void> {
    const here = () => [...this.#connections.values()].filter(({ loss }) => loss === undefined).length;
    await this.#until(here, count, deadlineMs, () => true, 'registered');
  }

  /**
   * Waits until survivors and spares together are `count`.
   * @param mayCome whether there is any hope, asked whenever a worker has gone
   * @throws LockstepError WORKER_LOST when the deadline passes first, or there is no hope
   */
  async waitFor(count: number, deadlineMs: number, mayCome: () => boolean = () => true): Promise<void> {
    const here = () => this.survivors.length + this.spares.length;
    await this.#until(here, count, deadlineMs, mayCome, 'are ready');
  }

  async #until(
    here: () => number,
    count: number,
    deadlineMs: number,
    mayCome: () => boolean,
    what: string,
  ): Promise<void> {
    const tooFew = (why: string) =>
      new LockstepError('WORKER_LOST', `Only ${here()} of ${count} workers ${why}.`, {
        hint: 'The logs say what became of the others.',
      });
    const enough = new Promise<void>((resolve, reject) => {
      this.#changed = () => {
        if (here() >= count) resolve();
        else if (this.#hopeless !== undefined && this.#generation === 0) reject(this.#hopeless);
        else if (!mayCome()) reject(tooFew('are left'));
      };
      this.#changed();
    });
    try {
      await within(deadlineMs, enough, [], () => tooFew(`${what} within ${deadlineMs / 1000} s`));
    } finally {
      this.#changed = () => {};
    }
  }

  /**
   * Forms the next generation of these workers, with ranks in their order, and waits until their links are proven.
   * Whatever they did for the generation before is void. A worker may still be busy with that, and look at its links only
   * when others have given up on it: nobody is to be blamed before it has answered, or `deadlineMs` is over.
   * @param patientWith whose answers are waited for where others have given up; by default everybody's
   * @throws LockstepError WORKER_LOST when one of them is lost meanwhile, or links could not be proven; then another
   * generation has to be formed
   */
  async form(
    workers: readonly WorkerConnection[],
    deadlineMs: number,
    patientWith: readonly WorkerConnection[] = workers,
  ): Promise<void> {
    for (const connection of this.#connections.values()) {
      // A lost worker keeps the rank by which it is known.
      if (connection.loss === undefined) connection.rank = undefined;
    }
    for (const [rank, worker] of workers.entries()) worker.rank = rank;
    this.#members = workers;
    this.#generation += 1;
    this.#broken = newAlarm();
    for (const { loss } of workers) if (loss !== undefined) this.#broken.raise(loss);
    const generation = this.#generation;
    const peers = workers.map(({ peer }) => peer);
    const routed = await this.options.route?.(peers);
    const ticket = randomBytes(12).toString('base64url');
    const forming = new Map(workers.map((worker) => [worker, newAlarm()]));
    this.#forming = forming;
    this.#late = [];
    await Promise.all(
      workers.map((_, rank) =>
        this.send(rank, { type: 'form', generation, rank, peers: routed?.[rank] ?? peers, ticket }),
      ),
    );
    const failures: { readonly error: Error; readonly at: number }[] = [];
    const answered = new Set<WorkerConnection>();
    await Promise.all(
      workers.map(async (worker) => {
        const until = [this.#broken.promise, forming.get(worker)!.promise];
        try {
          for (;;) {
            const { message } = await this.#next(worker, 'joined', deadlineMs, until);
            if (message.type === 'joined' && message.generation === generation) break;
          }
          // What it reports from now on is about links that it had.
          forming.delete(worker);
        } catch (error) {
          failures.push({ error: error as Error, at: performance.now() });
        }
        const [first] = failures;
        if (first !== undefined && performance.now() - first.at > this.options.heartbeatMs)
          this.#late.push(worker);
        answered.add(worker);
        if (first === undefined || !patientWith.every((one) => answered.has(one))) return;
        for (const alarm of forming.values()) alarm.raise(first.error);
      }),
    );
    if (this.#forming === forming) this.#forming = undefined;
    const loss = workers.find((worker) => worker.loss !== undefined)?.loss;
    if (loss !== undefined) throw loss;
    const [first] = failures;
    if (first !== undefined) throw first.error;
  }

  /** Those that the last `form` found busy when others had given up on them. */
  get late(): readonly WorkerConnection[] {
    return this.#late;
  }

  async send(rank: number, message: CoordinatorMessage, ...frames: readonly Uint8Array[]): Promise<void> {
    const worker = this.#members[rank]!;
    if (worker.loss !== undefined) throw worker.loss;
    if (message.type === 'prepare') worker.busy = true;
    try {
      await this.#outbox.send([worker.identity, encode(message), ...frames]);
    } catch (cause) {
      throw this.#lose(worker, 'its connection is gone', cause);
    }
  }

  async broadcast(message: CoordinatorMessage): Promise<void> {
    await Promise.all(this.#members.map((_, rank) => this.send(rank, message)));
  }

  /**
   * The next message of one worker, which must be of this type.
   * @throws LockstepError WORKER_LOST when its generation breaks; for a snapshot, which outlives one, when the worker is lost
   */
  async receive<T extends WorkerMessage['type']>(
    worker: WorkerConnection,
    type: T,
    deadlineMs: number,
  ): Promise<Received<WorkerMessageOf<T>>> {
    const ofSnapshot = type === 'snapshot' || type === 'tensor';
    return await this.#expect(worker, type, deadlineMs, ofSnapshot ? [] : [this.#broken.promise]);
  }

  /** One message of this type from every worker, in order of rank. */
  async collect<T extends WorkerMessage['type']>(type: T, deadlineMs: number): Promise<WorkerMessageOf<T>[]> {
    const all = await Promise.all(this.#members.map((worker) => this.receive(worker, type, deadlineMs)));
    return all.map(({ message }) => message);
  }

  /** The same, from those that are not lost meanwhile; by rank. @throws LockstepError WORKER_LOST when none is left. */
  async collectFromSurvivors<T extends WorkerMessage['type']>(
    type: T,
    deadlineMs: number,
  ): Promise<Map<number, WorkerMessageOf<T>>> {
    const found = new Map<number, WorkerMessageOf<T>>();
    await Promise.all(
      this.#members.map(async (worker, rank) => {
        try {
          found.set(rank, (await this.#expect(worker, type, deadlineMs, [])).message);
        } catch (error) {
          if (worker.loss === undefined) throw error;
        }
      }),
    );
    if (found.size === 0) throw this.#members[0]!.loss!;
    return found;
  }

  /** The process in a launcher's place has ended. A loss, unless it has said bye. */
  exited(slot: number, how: string): void {
    if (this.#ended) return;
    const worker = [...this.#connections.values()].find(
      (connection) => connection.slot === slot && connection.loss === undefined && !connection.ended,
    );
    if (worker !== undefined) this.#lose(worker, how);
    else if (this.#generation === 0) {
      this.#hopeless = new LockstepError(
        'WORKER_LOST',
        `Local worker ${slot} ended before it could take part: ${how}.`,
      );
    } else this.options.log(`local worker ${slot} ended: ${how}`);
    this.#changed();
  }

  /** Goes on without a worker, whatever it still says. */
  exclude(worker: WorkerConnection, why: string): void {
    this.#lose(worker, why);
  }

  nameOf(rank: number): string {
    return this.#members[rank]?.name ?? `rank ${rank}`;
  }

  /** Tells all workers to end: with null because the run is done, else because of this error. */
  async stop(error: string | null): Promise<void> {
    this.#ended = true;
    await Promise.allSettled([...this.#connections.values()].map((worker) => this.#dismiss(worker, error)));
  }

  async close(): Promise<void> {
    this.#ended = true;
    clearInterval(this.#timer);
    if (this.#dropped > 1) this.options.log(`${this.#dropped} control messages were dropped in all.`);
    // Whoever still waits for one of them is told.
    const over = new LockstepError('WORKER_LOST', 'The run is over.');
    for (const worker of this.#connections.values()) worker.lose(over);
    await this.#outbox.close(1000);
    this.gate.close();
  }

  #dismiss({ identity }: WorkerConnection, error: string | null): Promise<void> {
    return this.#outbox.send([identity, encode({ type: 'stop', error } satisfies CoordinatorMessage)]);
  }

  async #expect<T extends WorkerMessage['type']>(
    worker: WorkerConnection,
    type: T,
    deadlineMs: number,
    until: readonly Promise<never>[],
  ): Promise<Received<WorkerMessageOf<T>>> {
    const received = await this.#next(worker, type, deadlineMs, until);
    if (received.message.type !== type) {
      throw new LockstepError(
        'PROTOCOL',
        `${worker.name} sent '${received.message.type}' where '${type}' belongs (phase: ${worker.phase}).`,
      );
    }
    return received as Received<WorkerMessageOf<T>>;
  }

  async #next(
    worker: WorkerConnection,
    type: WorkerMessage['type'],
    deadlineMs: number,
    until: readonly Promise<never>[],
  ): Promise<Received> {
    try {
      return await within(deadlineMs, worker.next(type), [worker.lost, ...until], () => {
        const hanging = type === 'reduced' ? hangingMember(this.#members, worker) : worker;
        return this.#lose(hanging, `it did not send '${type}' within ${deadlineMs / 1000} s`);
      });
    } finally {
      worker.giveUp(type);
    }
  }

  async #receive(): Promise<void> {
    for await (const [identity, head, ...frames] of this.socket) {
      if (identity === undefined || head === undefined) continue;
      try {
        this.#handle(identity, decode(head, workerMessageSchema), frames);
      } catch (error) {
        if (!(error instanceof LockstepError)) throw error;
        this.#dropped += 1;
        if (this.#dropped === 1) {
          this.options.log(`A control message was dropped: ${error.line} More of them are only counted.`);
        }
      }
    }
  }

  #handle(identity: Buffer, message: WorkerMessage, frames: Buffer[]): void {
    const key = identity.toString('hex');
    const worker = this.#connections.get(key);
    if (worker === undefined) {
      if (message.type !== 'register')
        throw new LockstepError('PROTOCOL', `A stranger sent '${message.type}'.`);
      this.#admit(key, identity, message);
      return;
    }
    worker.heard = performance.now();
    if (worker.loss !== undefined) {
      // It was stopped or cut off, and is back: the others have gone on without it.
      if (!worker.ended) void this.#dismiss(worker, worker.loss.line).catch(() => {});
      worker.ended = true;
      return;
    }
    switch (message.type) {
      case 'register':
        throw new LockstepError('PROTOCOL', `${worker.name} registered twice.`);
      case 'ready':
        worker.ready = true;
        worker.busy = false;
        this.#changed();
        break;
      case 'beat':
        worker.phase = message.phase;
        worker.step = message.step;
        break;
      case 'signalled':
        this.options.signalled(worker, message.signal);
        break;
      case 'bye':
        worker.ended = true;
        break;
      case 'failed':
        worker.phase = message.phase;
        this.#lose(worker, `it failed: ${message.message.replace(/\.$/, '')}`);
        worker.ended = true;
        break;
      case 'broken':
        this.#reported(worker, message);
        break;
      case 'samples': {
        const frames = this.options.samples(message);
        const answer: CoordinatorMessage = { type: 'samples', split: message.split, ids: [] };
        void this.#outbox.send([identity, encode(answer), ...frames]).catch(() => {});
        break;
      }
      default:
        if (!this.#members.includes(worker)) {
          throw new LockstepError('PROTOCOL', `${worker.name}, who takes no part, sent '${message.type}'.`);
        }
        worker.advance(message);
        worker.put({ message, frames });
    }
  }

  /** A worker can't go on. Mostly a peer of it is gone: we shall know in a moment, and then form a generation without. */
  #reported(worker: WorkerConnection, { generation, message }: WorkerMessageOf<'broken'>): void {
    if (generation !== this.#generation) return;
    const broken = this.#broken;
    const error = new LockstepError('WORKER_LOST', `${worker.name}: ${message}`);
    const forming = this.#forming?.get(worker);
    if (forming !== undefined) {
      this.options.log(`generation ${generation} does not form. ${error.message}`);
      forming.raise(error);
      return;
    }
    setTimeout(() => broken.raise(error), patienceMs);
  }

  #admit(key: string, identity: Buffer, message: WorkerMessageOf<'register'>): void {
    const say = (answer: CoordinatorMessage) =>
      void this.#outbox.send([identity, encode(answer)]).catch(() => {});
    if (message.protocol !== protocolVersion || message.version !== version) {
      const error = `This worker is Lockstep ${message.version} (protocol ${message.protocol}), the coordinator ${version} (protocol ${protocolVersion}).`;
      say({ type: 'stop', error });
      throw new LockstepError('PROTOCOL', `A worker on ${message.host} was turned away: ${error}`);
    }
    this.#connections.set(key, new WorkerConnection(identity, message));
    this.options.log(
      `registered: worker on ${message.host}, pid ${message.pid}, GPU ${message.gpu ?? 'none'}, ${message.peer.endpoint}`,
    );
    say({ type: 'welcome', ...this.options.welcome });
    this.#changed();
  }

  /** Says to all workers that the coordinator lives; a worker whose connection is gone is lost. */
  #beat(): void {
    for (const worker of this.#connections.values()) {
      if (worker.ended || worker.loss !== undefined) continue;
      this.#outbox
        .send([worker.identity, encode({ type: 'beat' } satisfies CoordinatorMessage)])
        .catch((cause) => {
          // Of a launched one its exit says more, in a moment.
          setTimeout(
            () => {
              // Who has said bye has gone as it should.
              if (!this.#ended && !worker.ended) this.#lose(worker, 'its connection is gone', cause);
            },
            worker.slot === null ? 0 : patienceMs,
          );
        });
    }
  }

  #listen(): void {
    if (!this.#watch.look() || this.#ended) return;
    for (const worker of this.#connections.values()) {
      const silence = performance.now() - worker.heard;
      if (worker.ended || worker.loss !== undefined) continue;
      const factor = worker.ready ? (worker.busy ? busyFactor : 1) : loadingFactor;
      if (silence <= this.options.heartbeatMs * factor) continue;
      this.#lose(worker, `silent for ${(silence / 1000).toFixed(1)} s`);
    }
  }

  /** The worker is lost, and with it the generation that it is in. */
  #lose(worker: WorkerConnection, how: string, cause?: unknown): LockstepError {
    if (worker.loss !== undefined) return worker.loss;
    const error = new LockstepError(
      'WORKER_LOST',
      `Lost ${worker.name} (phase: ${worker.phase}, step ${worker.step}): ${how}.`,
      { cause, hint: 'Its log says more.' },
    );
    worker.lose(error);
    if (!this.#ended) this.options.log(error.message);
    if (this.#members.includes(worker)) this.#broken.raise(error);
    else if (this.#generation === 0) this.#hopeless = error;
    this.options.lost(worker);
    this.#changed();
    return error;
  }
}
