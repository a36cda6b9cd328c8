/** A worker's own memory for sums, the same in every step. */
import { HostTensor } from '../shared/engine/host-tensor.js';

/** Float32 memory for each bucket, made when it is first asked for. New memory in every step would be new views: see memory-views.ts. */
export class SumMemory {
  readonly #floats = new Map<number, Float32Array>();

  /** @param sizes of the buckets, in floats */
  constructor(private readonly sizes: readonly number[]) {}

  /** Where a bucket's sum may lie until the next step, beginning at a multiple of 64 bytes. */
  of(bucket: number): Float32Array {
    const kept = this.#floats.get(bucket);
    if (kept !== undefined) return kept;
    const floats = HostTensor.memory(this.sizes[bucket]!);
    this.#floats.set(bucket, floats);
    return floats;
  }

  /** Leaves the memory to whoever may still read it; the next step gets other. */
  abandon(): void {
    this.#floats.clear();
  }
}
