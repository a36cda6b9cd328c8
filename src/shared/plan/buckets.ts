/** Which gradients travel together, and which part of a bucket each worker sums. */

/** A tensor to be reduced; `size` counts float32 elements. */
export interface BucketTensor {
  readonly name: string;
  readonly size: number;
}

/** A tensor's place in its bucket's flat array; offset and size count float32 elements. */
export interface BucketEntry extends BucketTensor {
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
  /** A smaller limit for the first shared bucket, so that the exchange starts early. Default: bucketBytes. */
  readonly firstBucketBytes?: number;
  /** A tensor above this many bytes is a bucket of its own: no concat, no split. Default 1 MiB. */
  readonly ownBucketBytes?: number;
}

const FLOAT_BYTES = 4;
const MEBIBYTE = 1 << 20;

/**
 * Packs tensors, given in the order in which backward yields them, into buckets indexed by when their last tensor
 * is there. The shared bucket stays open while large tensors pass by, so that the many small BatchNorm tensors
 * between large kernels fill few buckets.
 */
export function planBuckets(tensors: readonly BucketTensor[], options: BucketOptions = {}): Bucket[] {
  const { bucketBytes = 4 * MEBIBYTE, ownBucketBytes = MEBIBYTE } = options;
  let limit = (options.firstBucketBytes ?? bucketBytes) / FLOAT_BYTES;
  const closed: { entries: BucketEntry[]; size: number; last: number }[] = [];
  let open = { entries: [] as BucketEntry[], size: 0, last: 0 };
  const close = (): void => {
    if (open.entries.length === 0) return;
    closed.push(open);
    open = { entries: [], size: 0, last: 0 };
    limit = bucketBytes / FLOAT_BYTES;
  };
  const names = new Set<string>();
  for (const [position, { name, size }] of tensors.entries()) {
    if (!Number.isInteger(size) || size < 1) throw new RangeError(`Tensor ${name} has size ${size}`);
    if (names.has(name)) throw new RangeError(`Two tensors to be reduced are called ${name}`);
    names.add(name);
    if (size * FLOAT_BYTES > ownBucketBytes) {
      closed.push({ entries: [{ name, offset: 0, size }], size, last: position });
      continue;
    }
    if (open.size + size > limit) close();
    open.entries.push({ name, offset: open.size, size });
    open.size += size;
    open.last = position;
  }
  close();
  return closed.sort((a, b) => a.last - b.last).map(({ entries, size }, index) => ({ index, entries, size }));
}

/** A part of a flat array; offset and length count float32 elements. */
export interface Slice {
  readonly offset: number;
  readonly length: number;
}

/** Slices begin at multiples of 16 floats: a cache line, and more than any SIMD register. */
export const SLICE_ALIGNMENT = 16;

/**
 * The part of a bucket of `size` floats that worker `rank` of `worldSize` sums. The slices cover the bucket without
 * overlap and differ by at most 16 floats; a bucket smaller than 16·N floats leaves some of them empty.
 */
export function sliceOf(size: number, rank: number, worldSize: number): Slice {
  if (!Number.isInteger(rank) || rank < 0 || rank >= worldSize) {
    throw new RangeError(`Rank ${rank} is outside a world of ${worldSize}`);
  }
  const lines = Math.ceil(size / SLICE_ALIGNMENT);
  const edge = (r: number): number => Math.min(size, Math.floor((r * lines) / worldSize) * SLICE_ALIGNMENT);
  const offset = edge(rank);
  return { offset, length: edge(rank + 1) - offset };
}
