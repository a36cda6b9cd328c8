/** The sharded all-reduce of one step: everyone sums one slice of every bucket, in the order of the canonical tree. */
import { LockstepError } from '../../shared/errors.js';
import { sliceOf, squaresBlock } from '../../shared/plan/buckets.js';
import { rangeOf } from '../../shared/plan/range.js';
import { coveringNodes, type Node, TreeAccumulator } from '../../shared/plan/tree.js';
import type { BulkMessage } from '../../shared/transport/inbox.js';
import type { PeerExchange } from '../../shared/transport/peer-exchange.js';
import { floatsOf, type Values } from '../../shared/transport/values.js';
import { addInto, type Squares, setInto } from './add.js';
import { Deadline } from './deadline.js';

/**
 * Slices travel and are summed in pieces of at most this many values (4 MiB of float32, one frame): the first is on its way while the
 * next is copied, and nothing blocks the event loop for more than a few milliseconds. Smaller ones cost more messages.
 */
const defaultPieceFloats = 1 << 20;

/**
 * Where the exchange coalesces, contributions are held until there are so many values of them (16 MiB of float32), or as many
 * as are still to come: what goes together costs fewer messages, and the last ones, for which everybody waits, hardly
 * wait themselves.
 */
const mostHeldFloats = 4 << 20;

export interface ReducerOptions {
  readonly exchange: PeerExchange;
  readonly step: number;
  /** K, the leaves of the tree. */
  readonly microBatches: number;
  /** The size of every bucket in floats; the same on every rank. */
  readonly buckets: readonly number[];
  /**
   * Where a reduced bucket goes: as many floats as the bucket has. Called once a bucket, after all of ours has been
   * contributed. It must stay as it is until the step's commit, since peers may read from it. Memory from `exchange.sums`
   * is written by whoever sums; a result that comes in frames, by each worker of the host, with the same bytes. It may be
   * the memory that was contributed, too.
   */
  readonly output: (bucket: number) => Float32Array;
  /** How long to wait while nothing comes. Default 60,000 ms. */
  readonly deadlineMs?: number;
  /** Told when a piece of our slice of a bucket is complete, and when a whole bucket is in. */
  readonly observer?: ReducerObserver | undefined;
  /** The most values of a piece; the same on every rank. Default 2²⁰ (4 MiB of float32). */
  readonly pieceFloats?: number;
  /** The values of a block, of which a piece has a whole number; the same on every rank. Default `squaresBlock`. */
  readonly block?: number;
}

export interface ReducerObserver {
  summed(bucket: number): void;
  back(bucket: number): void;
}

interface Contribution {
  readonly bucket: number;
  readonly node: Node;
  readonly data: Values;
}

/** A partial sum of a piece. */
interface Partial {
  readonly node: Node;
  /** What is given may be bfloat16; sums are float32. */
  readonly data: Values;
  /** Not ours to write to; ours; or the whole sum, in the output. */
  readonly memory: 'given' | 'scratch' | 'placed';
}

interface BucketState {
  readonly size: number;
  readonly result: Promise<Float32Array>;
  readonly resolve: (data: Float32Array) => void;
  readonly reject: (error: Error) => void;
  output: Float32Array | undefined;
  /** Floats that are not in the output yet. */
  missing: number;
  /** Where pieces whose result is in begin. */
  readonly finished: Set<number>;
  /** The pieces of our slice, by where they begin. */
  readonly sums: Map<number, TreeAccumulator<Partial>>;
  /** Of every block of the result. */
  readonly squares: Squares['sums'];
}

export class Reducer {
  readonly #exchange: PeerExchange;
  readonly #options: ReducerOptions;
  readonly #buckets: BucketState[];
  readonly #deadline: Deadline;
  readonly #stop: () => void;
  readonly #block: number;
  #unfinished: number;
  #error: Error | undefined;
  #held: Contribution[] = [];
  #heldFloats = 0;
  readonly #mostHeld: number;
  /** What this rank has still to contribute, in values. */
  #toCome: number;
  /** Memory of partial sums that have been added to others. */
  readonly #spare: Float32Array[] = [];

  constructor(options: ReducerOptions) {
    this.#options = options;
    this.#exchange = options.exchange;
    const { block = squaresBlock } = options;
    this.#block = block;
    this.#buckets = options.buckets.map((size) => newBucket(size, block));
    this.#unfinished = this.#buckets.filter(({ missing }) => missing > 0).length;
    this.#mostHeld = options.exchange.coalesces ? mostHeldFloats : 0;
    this.#toCome = valuesOf(options);
    const { deadlineMs = 60_000 } = options;
    this.#deadline = new Deadline(deadlineMs, () => this.cancel(this.#late(deadlineMs)));
    this.#stop = this.#exchange.listen(options.step, ['contribution', 'result'], {
      message: (message) => this.#receive(message),
      failed: (error) => this.cancel(error),
    });
    // What came early may have ended it already.
    if (this.#error !== undefined || this.#unfinished === 0) this.#end();
  }

  /**
   * Gives this rank's sum over a covering node of its micro-batches. `data` has the bucket's size and must stay as it
   * is until the bucket's result settles; after a failure, a socket may still be sending from it as long as it lives.
   * bfloat16 values travel in half of the bytes, and give the sums that they would give as float32. They may wait for others,
   * but no longer than until this rank has contributed everything.
   *
   * @throws RangeError for a node that is not in the tree or overlaps another one: this one, or one that has waited
   */
  contribute(bucket: number, node: Node, data: Values): void {
    if (this.#error !== undefined) return;
    const { size } = this.#bucket(bucket);
    if (data.length !== size)
      throw new RangeError(`Bucket ${bucket} has ${size} values, ${data.length} came`);
    if (this.#deadline.waiting) this.#deadline.extend();
    this.#held.push({ bucket, node, data });
    this.#heldFloats += size;
    this.#toCome -= size;
    if (this.#heldFloats < Math.min(this.#mostHeld, this.#toCome)) return;
    const held = this.#held;
    this.#held = [];
    this.#heldFloats = 0;
    for (const contribution of held) if (this.#error === undefined) this.#release(contribution);
  }

  #release({ bucket, node, data }: Contribution): void {
    const { size } = this.#bucket(bucket);
    const { rank, worldSize } = this.#exchange;
    // Each rank begins at its neighbour, so that not all send to the same one first.
    for (let hop = 1; hop <= worldSize; hop += 1) {
      const to = (rank + hop) % worldSize;
      for (const { start, length } of this.#pieces(size, to)) {
        const piece = data.subarray(start, start + length);
        if (to === rank) this.#add(bucket, start, { node, data: piece, memory: 'given' });
        else this.#send(to, 'contribution', bucket, node, start, this.#sendable(piece));
      }
    }
  }

  /** Resolves with the memory from `output` when the whole bucket is in; rejects when the step is cancelled. */
  result(bucket: number): Promise<Float32Array> {
    const { result } = this.#bucket(bucket);
    if (this.#error === undefined && this.#unfinished > 0 && !this.#deadline.waiting) this.#deadline.extend();
    return result;
  }

  /** Σx² over the whole bucket, when it is in: with the same bits on any number of ranks. */
  squares(bucket: number): number {
    return this.#bucket(bucket).squares.reduce((sum, square) => sum + square, 0);
  }

  /** @throws what cancelled the reduction, if anything did */
  check(): void {
    if (this.#error !== undefined) throw this.#error;
  }

  /** Rejects all results that are not there; does nothing once all are. */
  cancel(error: Error): void {
    if (this.#error !== undefined || this.#unfinished === 0) return;
    this.#error = error;
    this.#end();
    for (const { reject } of this.#buckets) reject(error);
  }

  #end(): void {
    this.#held = [];
    this.#deadline.stop();
    this.#stop?.();
  }

  #receive({ header, payload }: BulkMessage): void {
    if (this.#error !== undefined) return;
    if (this.#deadline.waiting) this.#deadline.extend();
    try {
      const { kind, from, start, length } = header;
      const bucket = Number(header.bucket);
      const { rank } = this.#exchange;
      const { size, finished } = this.#bucket(bucket);
      const owner = kind === 'result' ? from : rank;
      const isPiece = this.#pieces(size, owner).some((p) => p.start === start && p.length === length);
      if (!isPiece)
        throw new RangeError(`[${start}, ${start + length}) is no piece of rank ${owner}'s slice`);
      if (kind === 'contribution') {
        const node = { lo: header.node[0], hi: header.node[1] };
        this.#add(bucket, start, { node, data: payload, memory: 'given' });
      } else if (finished.has(start)) throw new RangeError(`the result at ${start} came twice`);
      else {
        const output = this.#output(bucket).subarray(start, start + length);
        setInto(output, floatsOf(payload));
        this.#takeSquares(bucket, start, length, header.squares);
        this.#finish(bucket, start, length);
      }
    } catch (cause) {
      const what = `${header.kind} to bucket ${header.bucket} of step ${header.step}`;
      this.cancel(
        new LockstepError(
          'PROTOCOL',
          `The ${what} of ${this.#exchange.nameOf(header.from)} is wrong: ${(cause as Error).message}.`,
          { hint: 'All workers must have the same configuration.', cause },
        ),
      );
    }
  }

  /** Puts a partial sum of a piece of our slice into its tree; the last one completes it and sends it to all. */
  #add(bucket: number, start: number, partial: Partial): void {
    const { sums } = this.#bucket(bucket);
    const { microBatches } = this.#options;
    let sum = sums.get(start);
    if (sum === undefined) {
      sum = new TreeAccumulator<Partial>(microBatches, (l, r) => this.#merge(bucket, start, l, r));
      sums.set(start, sum);
    }
    sum.put(partial.node, partial);
    if (!sum.complete) return;
    this.#options.observer?.summed(bucket);
    const { rank, worldSize } = this.#exchange;
    const root = sum.root;
    const { length } = root.data;
    const output = this.#output(bucket).subarray(start, start + length);
    // One rank gave the sum over all micro-batches: there was nothing to add.
    const squares = this.#squaresOf(bucket, start, length);
    if (root.memory !== 'placed') setInto(output, root.data, squares);
    const whole = { lo: 0, hi: microBatches };
    const data = worldSize > 1 ? this.#sendable(output) : output;
    for (let hop = 1; hop < worldSize; hop += 1) {
      this.#send((rank + hop) % worldSize, 'result', bucket, whole, start, data, bytesOf(squares.sums));
    }
    this.#finish(bucket, start, length);
  }

  #merge(bucket: number, start: number, left: Partial, right: Partial): Partial {
    const node = { lo: left.node.lo, hi: right.node.hi };
    const { length } = left.data;
    if (node.lo === 0 && node.hi === this.#options.microBatches) {
      const output = this.#output(bucket).subarray(start, start + length);
      addInto(output, left.data, right.data, this.#squaresOf(bucket, start, length));
      this.#spare.push(...scratchOf(left), ...scratchOf(right));
      return { node, data: output, memory: 'placed' };
    }
    const [target = this.#scratch(length), spare] = [...scratchOf(left), ...scratchOf(right)];
    addInto(target, left.data, right.data);
    if (spare !== undefined) this.#spare.push(spare);
    return { node, data: target, memory: 'scratch' };
  }

  #squaresOf(bucket: number, start: number, length: number): Squares {
    const block = this.#block;
    const sums = this.#bucket(bucket).squares.subarray(start / block, Math.ceil((start + length) / block));
    return { block, sums };
  }

  #takeSquares(bucket: number, start: number, length: number, came: Uint8Array | undefined): void {
    const bytes = bytesOf(this.#squaresOf(bucket, start, length).sums);
    if (came?.length !== bytes.length) {
      throw new RangeError(`it brings ${came?.length ?? 0} bytes of squares instead of ${bytes.length}`);
    }
    bytes.set(came);
  }

  #scratch(length: number): Float32Array {
    const found = this.#spare.findIndex((memory) => memory.length === length);
    return found < 0 ? new Float32Array(length) : this.#spare.splice(found, 1)[0]!;
  }

  #output(bucket: number): Float32Array {
    const state = this.#bucket(bucket);
    state.output ??= this.#options.output(bucket);
    return state.output;
  }

  /** A piece is in the output. */
  #finish(bucket: number, start: number, length: number): void {
    const state = this.#bucket(bucket);
    state.finished.add(start);
    state.missing -= length;
    if (state.missing > 0) return;
    this.#options.observer?.back(bucket);
    state.resolve(this.#output(bucket));
    this.#unfinished -= 1;
    if (this.#unfinished === 0) this.#end();
  }

  /** Values that are sent from where they lie, if that can be. */
  #sendable(values: Values): Values {
    return this.#exchange.canSend(values) ? values : this.#exchange.place(values);
  }

  #send(
    to: number,
    kind: 'contribution' | 'result',
    bucket: number,
    node: Node,
    start: number,
    data: Values,
    squares?: Uint8Array<ArrayBuffer>,
  ) {
    const { step } = this.#options;
    const envelope = { kind, step, bucket, node: [node.lo, node.hi] as [number, number], start };
    this.#exchange.send(to, squares === undefined ? envelope : { ...envelope, squares }, data);
  }

  #bucket(index: number): BucketState {
    const state = this.#buckets[index];
    if (state === undefined) throw new RangeError(`There is no bucket ${index}`);
    return state;
  }

  #pieces(size: number, rank: number): Piece[] {
    return piecesOf(size, rank, this.#exchange.worldSize, this.#options);
  }

  /** Says who is missing in the first bucket that is not complete. */
  #late(deadlineMs: number): LockstepError {
    const exchange = this.#exchange;
    const { microBatches, step } = this.#options;
    const bucket = this.#buckets.findIndex(({ missing }) => missing > 0);
    const { size, sums, finished } = this.#bucket(bucket);
    const isOpen = ({ start }: Piece): boolean => !finished.has(start);
    const open = this.#pieces(size, exchange.rank).filter(isOpen);
    const owes = (peer: number): boolean => {
      const { lo, hi } = rangeOf(peer, exchange.worldSize, microBatches);
      return coveringNodes(lo, hi, microBatches).some((node) =>
        open.some(({ start }) => {
          const held = sums.get(start)?.entries() ?? [];
          return !held.some((entry) => entry.node.lo <= node.lo && node.hi <= entry.node.hi);
        }),
      );
    };
    const ranks = Array.from({ length: exchange.worldSize }, (_, peer) => peer);
    const noContribution = ranks.filter(owes);
    const noResult = ranks.filter((peer) => this.#pieces(size, peer).some(isOpen));
    // Who has no contribution of somebody has no result either: that is no fault of theirs.
    const [silent, what] =
      noContribution.length > 0 ? [noContribution, 'contribution'] : [noResult, 'result'];
    const names = silent.map((peer) => exchange.nameOf(peer)).join(' and ');
    const where = `Phase reduce, step ${step}, bucket ${bucket}`;
    return new LockstepError('WORKER_LOST', `${where}: ${names} sent no ${what} for ${deadlineMs / 1000} s.`);
  }
}

/** What a rank contributes in a step, in values. */
function valuesOf({ exchange, microBatches, buckets }: ReducerOptions): number {
  const { rank, worldSize } = exchange;
  return rangeNodes(rank, worldSize, microBatches) * buckets.reduce((sum, size) => sum + size, 0);
}

/** How many partial sums of a bucket a rank contributes. */
function rangeNodes(rank: number, worldSize: number, microBatches: number): number {
  const { lo, hi } = rangeOf(rank, worldSize, microBatches);
  return coveringNodes(lo, hi, microBatches).length;
}

/** A partial sum's memory, where that is ours to write to. */
function scratchOf({ data, memory }: Partial): Float32Array[] {
  return memory === 'scratch' ? [floatsOf(data)] : [];
}

function bytesOf({ buffer, byteOffset, byteLength }: Squares['sums']): Uint8Array<ArrayBuffer> {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

interface Piece {
  /** In the bucket. */
  readonly start: number;
  readonly length: number;
}

/** How a rank's slice of a bucket is cut. */
function piecesOf(
  size: number,
  rank: number,
  worldSize: number,
  { pieceFloats = defaultPieceFloats, block }: Pick<ReducerOptions, 'pieceFloats' | 'block'> = {},
): Piece[] {
  const { offset, length } = sliceOf(size, rank, worldSize, block);
  const pieces: Piece[] = [];
  for (let at = 0; at < length; at += pieceFloats) {
    pieces.push({ start: offset + at, length: Math.min(pieceFloats, length - at) });
  }
  return pieces;
}

function newBucket(size: number, block: number): BucketState {
  let resolve: BucketState['resolve'] = () => {};
  let reject: BucketState['reject'] = () => {};
  const result = new Promise<Float32Array>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  // A step may be cancelled before anybody waits.
  result.catch(() => {});
  return {
    size,
    result,
    resolve,
    reject,
    output: undefined,
    missing: size,
    finished: new Set(),
    sums: new Map(),
    squares: new Float64Array(Math.ceil(size / block)),
  };
}

/** What alignment may add to a piece of memory, in bytes. */
const padding = 64;

/** The bytes of a step's sums, with what alignment adds: what the workers of a host share for them. */
export function sumBytes(buckets: readonly number[]): number {
  return buckets.reduce((bytes, size) => bytes + size * 4 + padding, 0);
}

/**
 * The most bytes that a rank sends in a step from memory of its own, with what alignment adds: its contributions to the
 * others' slices, and its rows of what is gathered. Sums are sent from where they are written.
 */
export function sentBytes(plan: {
  readonly rank: number;
  readonly worldSize: number;
  readonly microBatches: number;
  readonly buckets: readonly number[];
  /** Floats of each thing that one micro-batch gives to be gathered. */
  readonly gathered?: readonly number[];
}): number {
  const { rank, worldSize, microBatches, buckets, gathered = [] } = plan;
  if (worldSize === 1) return 0;
  const { lo, hi } = rangeOf(rank, worldSize, microBatches);
  const nodes = rangeNodes(rank, worldSize, microBatches);
  let bytes = 0;
  for (const size of gathered) bytes += (hi - lo) * (size * 4 + padding);
  for (const size of buckets) {
    for (let to = 0; to < worldSize; to += 1) {
      if (to === rank) continue;
      for (const { length } of piecesOf(size, to, worldSize)) bytes += nodes * (length * 4 + padding);
    }
  }
  return bytes;
}
