/** Workers in one process that exchange through memory, in an order of arrival that a seed decides. */
import { Inbox, type Listener } from '../src/shared/transport/inbox.js';
import type { Envelope, PeerExchange } from '../src/shared/transport/peer-exchange.js';
import { type Values, valueTypeOf } from '../src/shared/transport/values.js';
import type { BulkKind } from '../src/shared/transport/wire.js';

/** Workers of hosts with `perHost` of them each; the messages between them that have not arrived. */
export class MemoryNetwork {
  readonly exchanges: readonly MemoryExchange[];
  /** One queue for each pair: what one worker sends to another stays in order. */
  readonly #queues = new Map<string, (() => void)[]>();
  /** How many bytes went from worker to worker. */
  bytes = 0;

  constructor(
    worldSize: number,
    readonly perHost = 1,
  ) {
    this.exchanges = Array.from(
      { length: worldSize },
      (_, rank) => new MemoryExchange(this, rank, worldSize),
    );
  }

  post(from: number, to: number, deliver: () => void): void {
    const key = `${from}>${to}`;
    const queue = this.#queues.get(key) ?? [];
    queue.push(deliver);
    this.#queues.set(key, queue);
  }

  /** Delivers everything, what is sent meanwhile too; `random` picks whose message comes next. */
  deliver(random: () => number): void {
    for (;;) {
      const filled = [...this.#queues.values()].filter((queue) => queue.length > 0);
      if (filled.length === 0) return;
      filled[Math.floor(random() * filled.length)]!.shift()!();
    }
  }
}

export class MemoryExchange implements PeerExchange {
  readonly inbox = new Inbox();
  readonly #placed = new WeakSet<ArrayBufferLike>();
  readonly #sums: Float32Array[] = [];

  constructor(
    readonly network: MemoryNetwork,
    readonly rank: number,
    readonly worldSize: number,
  ) {}

  get coalesces(): boolean {
    return this.network.perHost > 1;
  }

  nameOf(rank: number): string {
    return `rank ${rank} on host${rank}`;
  }

  place<T extends Values>(values: T): T {
    const memory = values.slice() as T;
    this.#placed.add(memory.buffer);
    return memory;
  }

  sums(lengths: readonly number[]): Float32Array[] | undefined {
    if (this.network.perHost === 1) return undefined;
    const sums = this.#sumsOfHost;
    if (sums.length === 0) for (const length of lengths) sums.push(new Float32Array(length).fill(Number.NaN));
    return sums;
  }

  /** The first worker of a host has them. */
  get #sumsOfHost(): Float32Array[] {
    const { exchanges, perHost } = this.network;
    return exchanges[this.rank - (this.rank % perHost)]!.#sums;
  }

  /** Both ways that other memory is sent must give the same: ranks differ in it. */
  canSend(values: Values): boolean {
    return this.#sumsOfHost.some(({ buffer }) => buffer === values.buffer) || this.rank % 2 === 0;
  }

  send(to: number, envelope: Envelope, payload: Values): void {
    if (!this.canSend(payload) && !this.#placed.has(payload.buffer))
      throw new Error('Sent from memory of its own');
    this.network.bytes += payload.byteLength;
    const { length } = payload;
    const header = { ...envelope, from: this.rank, length, type: valueTypeOf(payload) };
    const { inbox } = this.network.exchanges[to]!;
    this.network.post(this.rank, to, () => inbox.deliver({ header, payload }));
  }

  listen(step: number, kinds: readonly BulkKind[], listener: Listener): () => void {
    return this.inbox.listen(step, kinds, listener);
  }
}

/** A small repeatable generator of numbers in [0, 1): mulberry32. */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Gradients whose float32 sum depends on the order: magnitudes over six decades, both signs. */
export function gradient(size: number, random: () => number): Float32Array {
  return Float32Array.from({ length: size }, () => (random() - 0.5) * 10 ** (random() * 6 - 3));
}

/** The upper halves of float32 values: what is left of them in bfloat16, rounded towards zero. */
export function upperHalves(values: Float32Array): Uint16Array {
  return Uint16Array.from(new Uint32Array(values.slice().buffer), (whole) => whole >>> 16);
}

/** The float32 values that bfloat16 ones are. */
export function widened(halves: Uint16Array): Float32Array {
  return new Float32Array(Uint32Array.from(halves, (half) => half << 16).buffer);
}

/** The bits, so that NaN and -0 count. */
export function bits(values: Float32Array): Buffer {
  return Buffer.from(values.slice().buffer);
}
