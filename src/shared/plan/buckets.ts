/** Which gradients travel together, and which part of a bucket each worker sums. */

/** A tensor to be reduced; `size` counts float32 elements. */
export interface BucketTensor {
  readonly name: string;
  readonly size: number;
  /**
   * Whether mixed precision computes it in 16 bits. Such tensors share no bucket with others, which would be rounded with
   * them. Default false.
   */
  readonly rounded?: boolean;
}

/** A tensor's place in its bucket's flat array; offset and size count float32 elements. */
export interface BucketEntry {
  readonly name: string;
  readonly size: number;
  readonly offset: number;
}

/** One flat float32 array of `size` elements that is reduced as a whole. */
export interface Bucket {
  readonly index: number;
  readonly entries: readonly BucketEntry[];
  readonly size: number;
}

export interface BucketOptions {
  /** The most bytes that several tensors share a bucket for. Default 4 MiB. */
  readonly bucketBytes?: number;
  /** A tensor above this many bytes is a bucket of its own: no concat, no split. Default 1 MiB. */
  readonly ownBucketBytes?: number;
}

const FLOAT_BYTES = 4;
const MEBIBYTE = 1 << 20;

/**
 * Packs tensors, given in the order in which backward yields them, into buckets indexed by when their last tensor
 * is there. A shared bucket stays open while large tensors pass by, so that the many small BatchNorm tensors
 * between large kernels fill few buckets.
 */
export function planBuckets(tensors: readonly BucketTensor[], options: BucketOptions = {}): Bucket[] {
  const { bucketBytes = 4 * MEBIBYTE, ownBucketBytes = MEBIBYTE } = options;
  const buckets: { entries: BucketEntry[]; size: number; last: number }[] = [];
  /** The shared buckets with room left, for tensors that are rounded and others. */
  const open = new Map<boolean, (typeof buckets)[number]>();
  const names = new Set<string>();
  for (const [position, { name, size, rounded = false }] of tensors.entries()) {
    if (!Number.isInteger(size) || size < 1) throw new RangeError(`Tensor ${name} has size ${size}`);
    if (names.has(name)) throw new RangeError(`Two tensors to be reduced are called ${name}`);
    names.add(name);
    if (size * FLOAT_BYTES > ownBucketBytes) {
      buckets.push({ entries: [{ name, offset: 0, size }], size, last: position });
      continue;
    }
    let shared = open.get(rounded);
    if (shared === undefined || (shared.size + size) * FLOAT_BYTES > bucketBytes) {
      shared = { entries: [], size: 0, last: 0 };
      buckets.push(shared);
      open.set(rounded, shared);
    }
    shared.entries.push({ name, offset: shared.size, size });
    shared.size += size;
    shared.last = position;
  }
  return buckets
    .sort((a, b) => a.last - b.last)
    .map(({ entries, size }, index) => ({ index, entries, size }));
}

/** A part of a flat array; offset and length count float32 elements. */
export interface Slice {
  readonly offset: number;
  readonly length: number;
}

/**
 * Squares of gradients are summed over blocks of so many floats, and these sums added up in order: so their norm does not
 * depend on the number of workers, each of which knows whole blocks. 16 kB: many to a slice of a large network's bucket.
 */
export const squaresBlock = 4096;

/**
 * The part of a bucket of `size` floats that worker `rank` of `worldSize` sums. The slices begin at multiples of a block,
 * cover the bucket without overlap and differ by at most a block; a bucket of less than N blocks leaves some of them empty.
 */
export function sliceOf(size: number, rank: number, worldSize: number, block = squaresBlock): Slice {
  if (!Number.isInteger(rank) || rank < 0 || rank >= worldSize) {
    throw new RangeError(`Rank ${rank} is outside a world of ${worldSize}`);
  }
  const blocks = Math.ceil(size / block);
  const edge = (r: number): number => Math.min(size, Math.floor((r * blocks) / worldSize) * block);
  const offset = edge(rank);
  return { offset, length: edge(rank + 1) - offset };
}
