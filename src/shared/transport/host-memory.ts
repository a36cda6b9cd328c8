/** The memory that the workers of one host have in common, in one generation. */
import { LockstepError } from '../errors.js';
import { Arena } from './arena.js';
import { copyInto } from './copy.js';
import type { CommonMemory } from './peer-link.js';
import { openRegion, Region } from './region.js';
import { type Values, valuesAt, valueTypeOf } from './values.js';
import type { Hello } from './wire.js';

/** The bytes of the smallest region. */
const smallest = 64;

export interface HostMemoryOptions {
  /** The most bytes that this worker sends in a step. */
  readonly stepBytes: number;
  /** The most bytes of a step's sums; 0 shares no memory for them. */
  readonly sumBytes: number;
  /** Whether others of this host take part, and whether this worker is the first of them, who makes the memory for sums. */
  readonly place: 'alone' | 'first' | 'another';
  /** Told about what does not stop the work. */
  readonly warn: (message: string) => void;
}

export class HostMemory implements CommonMemory {
  readonly #warn: (message: string) => void;
  /** What this worker made: peers find it by its name until `unlink`. */
  readonly #region: Region | undefined;
  readonly #sumsRegion: Region | undefined;
  readonly #arena: Arena;
  #sums: ArrayBuffer | undefined;
  /** The host has memory for sums, and this worker can't map it. */
  #excluded = false;
  #warnedOverflow = false;

  constructor({ stepBytes, sumBytes, place, warn }: HostMemoryOptions) {
    this.#warn = warn;
    // Who has nothing to send has one, too: without it peers would be sent frames.
    this.#region = place === 'alone' ? undefined : this.#create(Math.max(stepBytes, smallest));
    this.#sumsRegion = place === 'first' ? this.#create(sumBytes) : undefined;
    this.#sums = this.#sumsRegion?.buffer;
    this.#arena = new Arena(this.#region?.buffer ?? new ArrayBuffer(stepBytes));
  }

  /** Of a worker that is connected to nobody. */
  static none(): HostMemory {
    return new HostMemory({ stepBytes: 0, sumBytes: 0, place: 'alone', warn: () => {} });
  }

  /** What this worker sends from, where peers can read it. */
  get region(): ArrayBuffer | undefined {
    return this.#region?.buffer;
  }

  /** Known to others than the host's first worker once its hello is here. */
  get sums(): ArrayBuffer | undefined {
    return this.#sums;
  }

  /** What peers of this host are told, to map it. */
  get announced(): Pick<Hello, 'region' | 'sums'> {
    const tell = (region: Region | undefined) =>
      region === undefined ? null : { path: region.path, bytes: region.buffer.byteLength };
    return { region: tell(this.#region), sums: tell(this.#sumsRegion) };
  }

  /**
   * Maps what a peer has announced. The host's first worker must come before the others: who can't map the sums can't read
   * what others send from there, and so takes nobody's region.
   *
   * @returns the peer's region, if it has one for us and we have the sums
   * @throws LockstepError TRANSPORT when it can't be mapped
   */
  map({ region, sums }: Pick<Hello, 'region' | 'sums'>): ArrayBuffer | undefined {
    if (sums !== null) {
      this.#excluded = true;
      this.#sums ??= openRegion(sums.path, sums.bytes, 'read and write');
      this.#excluded = false;
    }
    return region === null || this.#excluded ? undefined : openRegion(region.path, region.bytes);
  }

  /** Takes back all memory from `place`: a step begins. */
  reset(): void {
    this.#arena.reset();
  }

  /** A copy of values that are sent, in this worker's own memory where there is no room. */
  place<T extends Values>(values: T): T {
    const { used, buffer } = this.#arena;
    const at = this.#arena.allocate(values.byteLength);
    if (at === undefined) {
      if (!this.#warnedOverflow) {
        const bytes = `${used + values.byteLength} of ${buffer.byteLength} bytes`;
        this.#warn(`A step sends more than was announced (${bytes}): what is over travels as frames.`);
        this.#warnedOverflow = true;
      }
      return values.slice() as T;
    }
    const placed = valuesAt(valueTypeOf(values), buffer, at, values.length) as T;
    copyInto(placed, values);
    return placed;
  }

  /** Where sums of these lengths lie, the same place for all workers of the host; undefined where there is none. */
  sumsOf(lengths: readonly number[]): Float32Array[] | undefined {
    if (this.#sums === undefined) return undefined;
    const memory = new Arena(this.#sums);
    const parts: Float32Array[] = [];
    for (const length of lengths) {
      const at = memory.allocate(length * Float32Array.BYTES_PER_ELEMENT);
      if (at === undefined) return undefined;
      parts.push(new Float32Array(memory.buffer, at, length));
    }
    return parts;
  }

  /** Whether peers can read values where they lie. */
  holds({ buffer }: Values): boolean {
    return buffer === this.region || buffer === this.sums;
  }

  /** Removes the names, once all have mapped it or nobody will: the memory goes with the last view of it. */
  unlink(): void {
    this.#region?.unlink();
    this.#sumsRegion?.unlink();
  }

  #create(bytes: number): Region | undefined {
    if (bytes === 0) return undefined;
    try {
      return Region.create(bytes);
    } catch (error) {
      if (!(error instanceof LockstepError)) throw error;
      this.#warn(`${error.line} Values travel over TCP instead.`);
      return undefined;
    }
  }
}
