/** The links from one worker to all others, over which gradients and embeddings travel. */
import { Pull, Push } from 'zeromq';
import { LockstepError } from '../errors.js';
import type { Peer } from '../protocol/messages.js';
import { Gate } from '../security/gate.js';
import { clientOptions, type Protection } from '../security/socket-options.js';
import { isLoopback, parseEndpoint } from './address.js';
import { FrameMemory } from './frame-memory.js';
import { HostMemory } from './host-memory.js';
import { Inbox, type Listener } from './inbox.js';
import { keepFreedMemory } from './kept-memory.js';
import { Outbox } from './outbox.js';
import type { Envelope, PeerExchange } from './peer-exchange.js';
import { FrameLink, frameBytes, type PeerLink, payloadOf, SharedMemoryLink } from './peer-link.js';
import { type Values, valueTypeOf } from './values.js';
import {
  type BulkKind,
  decode,
  encode,
  type Hello,
  maxHeaderBytes,
  type PeerMessage,
  peerMessageSchema,
} from './wire.js';

/** Who takes part; formed anew, with a higher generation, whenever that changes. */
export interface Membership {
  readonly generation: number;
  readonly rank: number;
  /** Known to the members only: messages without it are dropped. */
  readonly ticket: string;
  /** Everybody, oneself too. */
  readonly peers: readonly Peer[];
}

export interface MeshOptions {
  /** The token lets peers in, and is what they prove to each other. */
  readonly protection: Protection;
  /** The address to listen at. Default 127.0.0.1; 0.0.0.0 for peers on other hosts. */
  readonly address?: string;
  /** The name or address at which peers reach this worker. Default: `address`. */
  readonly advertise?: string;
  /** Told about what does not stop the work: no shared memory, a message dropped. */
  readonly warn?: (message: string) => void;
  /** Told as soon as a peer's connection is gone. */
  readonly lost?: (rank: number, error: LockstepError) => void;
}

export interface ConnectOptions {
  /** The most bytes that this worker sends in a step: see `sentBytes`. What does not fit costs an allocation. */
  readonly stepBytes: number;
  /** The most bytes of a step's sums, the same on every rank: see `sumBytes`. Default 0, which shares no memory for them. */
  readonly sumBytes?: number;
  /** How long all links may take to be proven. Default 30,000 ms. */
  readonly deadlineMs?: number;
}

/** Messages queued in ZeroMQ for one peer; more wait in the outbox. Together with the pieces' size this bounds memory. */
const highWaterMark = 4;
/**
 * The kernel's send buffer, in bytes, where both ends are on this host: what is sent is then still in the processor's
 * cache when it is received (`bench allreduce --path tcp`: a fifth faster). A network needs the kernel's own choice,
 * which grows with its latency.
 */
const loopbackSendBuffer = 512 * 1024;
const heartbeat = { heartbeatInterval: 1_000, heartbeatTimeout: 8_000, heartbeatTimeToLive: 10_000 };
/** What encryption adds to a frame, and more. */
const sealBytes = 64;
/** Building graphs blocks the event loop, and with it the gate, for seconds. */
const handshakeInterval = 30_000;
/** The newest hellos of generations to come that are kept: our peers' are among them, if they are ours at all. */
const mostEarlyHellos = 4096;
/** How long messages may be handled before timers and other sockets get their turn. */
const turnMs = 8;

interface Connection {
  readonly peer: Peer;
  readonly socket: Push;
  readonly outbox: Outbox;
  /** The peer's memory, where it is shared. */
  region: ArrayBuffer | undefined;
  /** The peer's hello came: it reaches us. */
  heard: boolean;
  /** Set by the peer's welcome: we reach it. */
  link: PeerLink | undefined;
}

export class Mesh implements PeerExchange {
  readonly #pull: Pull;
  readonly #warn: (message: string) => void;
  readonly #connections = new Map<number, Connection>();
  #membership: Membership | undefined;
  #inbox = new Inbox();
  #memory = HostMemory.none();
  /** The lowest rank of this host. */
  #first = 0;
  /** Hellos of the others of this host that came before its; undefined once it has come. */
  #waiting: { readonly hello: Hello; readonly connection: Connection }[] | undefined;
  /** Hellos of a generation that we have not been told of yet. */
  #earlyHellos: Hello[] = [];
  #proven: (() => void) | undefined;
  #failed: ((error: Error) => void) | undefined;
  /** The last generation that was announced. */
  #next: { readonly generation: number; readonly error: LockstepError } | undefined;
  #closed = false;
  /** Messages dropped: of other generations, of steps that are over, and unreadable ones. */
  readonly #dropped = { generation: 0, step: 0, malformed: 0 };

  private constructor(
    pull: Pull,
    private readonly gate: Gate,
    /** Where peers connect to. */
    readonly endpoint: string,
    readonly options: MeshOptions,
  ) {
    this.#pull = pull;
    this.#warn = options.warn ?? (() => {});
    void this.#receive();
  }

  /**
   * Listens at a free port; `endpoint` says which.
   *
   * @throws LockstepError TRANSPORT when the address can't be bound
   */
  static async bind(options: MeshOptions): Promise<Mesh> {
    const { address = '127.0.0.1', advertise = address, protection, warn = () => {} } = options;
    keepFreedMemory();
    const gate = await Gate.open(protection, warn);
    const pull = new Pull({
      ...gate.socketOptions(protection.token),
      ...heartbeat,
      handshakeInterval,
      linger: 0,
      receiveHighWaterMark: highWaterMark,
      maxMessageSize: frameBytes + sealBytes,
    });
    gate.watch(pull);
    try {
      await pull.bind(`tcp://${address}:*`);
    } catch (cause) {
      pull.close();
      gate.close();
      throw new LockstepError(
        'TRANSPORT',
        `No socket can listen at ${address}: ${(cause as Error).message}.`,
        {
          hint: 'Give an address of this host.',
          cause,
        },
      );
    }
    const port = /:(\d+)$/.exec(pull.lastEndpoint ?? '')?.[1];
    return new Mesh(pull, gate, `tcp://${advertise}:${port}`, options);
  }

  /** This worker's rank in the present membership. */
  get rank(): number {
    return this.#now.rank;
  }

  get worldSize(): number {
    return this.#now.peers.length;
  }

  get generation(): number {
    return this.#now.generation;
  }

  get dropped(): { readonly generation: number; readonly step: number; readonly malformed: number } {
    return { ...this.#dropped, step: this.#dropped.step + this.#inbox.stale };
  }

  /** How values get to a peer. */
  pathTo(rank: number): PeerLink['path'] | undefined {
    return this.#connections.get(rank)?.link?.path;
  }

  get coalesces(): boolean {
    const links = [...this.#connections.values()].map(({ link }) => link);
    return links.length > 0 && links.every((link) => link?.path === 'shared memory');
  }

  nameOf(rank: number): string {
    const peer = this.#now.peers.find((candidate) => candidate.rank === rank);
    return peer === undefined ? `rank ${rank}` : `rank ${rank} on ${peer.host}`;
  }

  /**
   * Leaves the present membership and joins another one. Resolves when every link is proven in both directions.
   * Who listened before is told that it failed.
   *
   * @throws LockstepError WORKER_LOST when the deadline passes, naming the peers that are missing
   */
  async connect(membership: Membership, options: ConnectOptions): Promise<void> {
    await this.#leave(new LockstepError('TRANSPORT', `Generation ${membership.generation} begins.`));
    this.#membership = membership;
    this.#inbox = new Inbox();
    const self = membership.peers.find(({ rank }) => rank === membership.rank);
    const others = membership.peers.filter((peer) => peer !== self);
    const shares = (peer: Peer): boolean => peer.machine !== '' && peer.machine === self?.machine;
    const sharers = others.filter(shares);
    this.#first = Math.min(membership.rank, ...sharers.map(({ rank }) => rank));
    const isFirst = this.#first === membership.rank;
    const place = sharers.length === 0 ? 'alone' : isFirst ? 'first' : 'another';
    this.#waiting = isFirst ? undefined : [];
    const { stepBytes, sumBytes = 0, deadlineMs = 30_000 } = options;
    this.#memory = new HostMemory({ stepBytes, sumBytes, place, warn: this.#warn });
    if (others.length === 0) return;

    const proven = new Promise<void>((resolve, reject) => {
      this.#proven = resolve;
      this.#failed = reject;
    });
    const timer = setTimeout(() => this.#failed?.(this.#missing(deadlineMs)), deadlineMs);
    try {
      // Announced while the earlier links were being closed.
      if (this.#next !== undefined && this.#next.generation > membership.generation) throw this.#next.error;
      for (const peer of others) this.#greet(peer, shares(peer));
      const hellos = this.#earlyHellos.filter(({ generation }) => generation === membership.generation);
      this.#earlyHellos = this.#earlyHellos.filter(({ generation }) => generation > membership.generation);
      for (const hello of hellos) this.#welcome(hello);
      await proven;
    } catch (error) {
      await this.#leave(error as Error);
      throw error;
    } finally {
      clearTimeout(timer);
      this.#proven = undefined;
      this.#failed = undefined;
      this.#memory.unlink();
    }
  }

  /** Ends whatever waits for peers of earlier generations: this one is about to begin. */
  supersede(generation: number, error: LockstepError): void {
    this.#next = { generation, error };
    this.#failed?.(error);
    this.#inbox.fail(error);
  }

  /** Begins a step: memory from `place` is taken back, what still comes of earlier steps is dropped. */
  begin(step: number): void {
    this.#inbox.begin(step);
    this.#memory.reset();
  }

  place<T extends Values>(values: T): T {
    return this.#memory.place(values);
  }

  sums(lengths: readonly number[]): Float32Array[] | undefined {
    return this.#memory.sumsOf(lengths);
  }

  canSend(values: Values): boolean {
    if (this.#memory.holds(values)) return true;
    for (const { link } of this.#connections.values()) if (link?.path === 'shared memory') return false;
    return true;
  }

  send(to: number, envelope: Envelope, payload: Values): void {
    const connection = this.#connections.get(to);
    if (connection?.link === undefined) {
      this.#inbox.fail(new LockstepError('TRANSPORT', `There is no link to ${this.nameOf(to)}.`));
      return;
    }
    const inbox = this.#inbox;
    connection.link
      .send({ ...envelope, length: payload.length, type: valueTypeOf(payload) }, payload)
      .catch((error: Error) => inbox.fail(error));
  }

  listen(step: number, kinds: readonly BulkKind[], listener: Listener): () => void {
    return this.#inbox.listen(step, kinds, listener);
  }

  /** Closes all sockets; who listens is told. What is queued gets `drainMs` to leave. */
  async close(drainMs = 0): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const error = new LockstepError('TRANSPORT', 'This worker closed its links.');
    this.#failed?.(error);
    await this.#leave(error, drainMs);
    this.#pull.close();
    this.gate.close();
    const { generation, malformed } = this.dropped;
    if (generation + malformed > 0) {
      this.#warn(`Messages dropped: ${malformed} malformed, ${generation} of other generations.`);
    }
  }

  get #now(): Membership {
    if (this.#membership === undefined) throw new Error('The mesh is not connected');
    return this.#membership;
  }

  /** Opens the way to a peer and says hello. */
  #greet(peer: Peer, shares: boolean): void {
    const { protection } = this.options;
    const socket = new Push({
      ...clientOptions(protection, protection.token.publicKey),
      ...heartbeat,
      handshakeInterval,
      linger: 0,
      sendHighWaterMark: highWaterMark,
      ...(isLoopback(parseEndpoint(peer.endpoint).host) ? { sendBufferSize: loopbackSendBuffer } : {}),
    });
    const name = this.nameOf(peer.rank);
    const outbox = new Outbox(socket, name);
    const connection = { peer, socket, outbox, region: undefined, heard: false, link: undefined };
    this.#connections.set(peer.rank, connection);
    // A link that breaks may have lost messages, so it is not mended: the next generation makes a new one.
    socket.events.on('disconnect', () => this.#broken(connection));
    socket.connect(peer.endpoint);
    const { generation, ticket, rank: from } = this.#now;
    const memory = shares ? this.#memory.announced : { region: null, sums: null };
    const hello = { kind: 'hello', generation, ticket, from, ...memory } satisfies Hello;
    outbox.send([encode(hello)]).catch(() => {});
  }

  /** A peer reaches us. */
  #welcome(hello: Hello): void {
    const connection = this.#connections.get(hello.from);
    if (hello.ticket !== this.#now.ticket || connection === undefined || connection.heard) return;
    connection.heard = true;
    const isFirst = hello.from === this.#first;
    if (this.#waiting !== undefined && hello.region !== null && !isFirst) {
      this.#waiting.push({ hello, connection });
      return;
    }
    this.#answer(hello, connection);
    if (isFirst) {
      for (const other of this.#waiting ?? []) this.#answer(other.hello, other.connection);
      this.#waiting = undefined;
    }
    this.#check();
  }

  /** Maps a peer's memory, and tells it. */
  #answer(hello: Hello, connection: Connection): void {
    try {
      connection.region = this.#memory.map(hello);
    } catch (error) {
      if (!(error instanceof LockstepError)) throw error;
      this.#warn(`${error.line} Values of ${this.nameOf(hello.from)} come over TCP instead.`);
    }
    const { generation, ticket, rank: from } = this.#now;
    const mapped = connection.region !== undefined;
    connection.outbox.send([encode({ kind: 'welcome', generation, ticket, from, mapped })]).catch(() => {});
  }

  #check(): void {
    for (const { heard, link } of this.#connections.values()) if (!heard || link === undefined) return;
    this.#proven?.();
  }

  #missing(deadlineMs: number): LockstepError {
    const missing = [...this.#connections.values()].filter(({ heard, link }) => !heard || link === undefined);
    const names = missing.map(({ peer, heard, link }) => {
      const direction = heard ? 'does not answer' : link ? 'can not reach this worker' : 'is silent';
      return `${this.nameOf(peer.rank)} (${peer.endpoint}) ${direction}`;
    });
    return new LockstepError('WORKER_LOST', `No link after ${deadlineMs / 1000} s: ${names.join(', ')}.`, {
      hint: 'Can the hosts reach each other on any port?',
    });
  }

  #broken(connection: Connection): void {
    if (this.#connections.get(connection.peer.rank) !== connection) return;
    const error = new LockstepError('WORKER_LOST', `The link to ${this.nameOf(connection.peer.rank)} broke.`);
    this.#failed?.(error);
    this.#inbox.fail(error);
    this.options.lost?.(connection.peer.rank, error);
  }

  async #leave(reason: Error, drainMs = 0): Promise<void> {
    const connections = [...this.#connections.values()];
    this.#connections.clear();
    this.#inbox.fail(reason);
    this.#dropped.step += this.#inbox.stale;
    this.#inbox.stale = 0;
    // Only the views are let go: the memory is unmapped when the last of them is collected.
    this.#memory.unlink();
    this.#memory = HostMemory.none();
    await Promise.all(connections.map(({ outbox }) => outbox.close(drainMs)));
  }

  async #receive(): Promise<void> {
    const memory = new FrameMemory();
    let turn = performance.now();
    for await (const frames of this.#pull) {
      try {
        this.#handle(frames);
      } catch (error) {
        if (!(error instanceof LockstepError)) throw error;
        this.#dropped.malformed += 1;
        if (this.#dropped.malformed === 1) {
          this.#warn(`A message between workers was dropped: ${error.line} More of them are only counted.`);
        }
      }
      // Messages that are there already come without a turn of the event loop.
      if (memory.received(frames) || performance.now() - turn > turnMs) {
        await new Promise((resolve) => setImmediate(resolve));
        turn = performance.now();
      }
    }
  }

  #handle([head, ...frames]: Buffer[]): void {
    if (head === undefined) return;
    const message: PeerMessage = decode(head, peerMessageSchema, maxHeaderBytes);
    const generation = this.#membership?.generation ?? -1;
    if (message.generation !== generation) {
      // Peers may be told of a new generation before we are.
      const early = message.generation > generation && message.kind === 'hello';
      if (early) this.#earlyHellos.push(message);
      if (early && this.#earlyHellos.length <= mostEarlyHellos) return;
      if (early) this.#earlyHellos.shift();
      this.#dropped.generation += 1;
      return;
    }
    const connection = this.#connections.get(message.from);
    if (connection === undefined || message.ticket !== this.#now.ticket) {
      this.#dropped.generation += 1;
      return;
    }
    switch (message.kind) {
      case 'hello':
        this.#welcome(message);
        return;
      case 'welcome': {
        const { outbox } = connection;
        const { ticket, rank: from } = this.#now;
        const sender = { generation, ticket, from };
        connection.link = message.mapped
          ? new SharedMemoryLink(outbox, sender, this.#memory)
          : new FrameLink(outbox, sender);
        this.#check();
        return;
      }
      default: {
        const memory = { region: connection.region, sums: this.#memory.sums };
        for (const part of message.parts) {
          const header = { ...part, from: message.from };
          this.#inbox.deliver({ header, payload: payloadOf(header, frames, memory) });
        }
      }
    }
  }
}
