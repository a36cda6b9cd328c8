/** A worker's own sums over its micro-batches, bucket by bucket, in the memory that TensorFlow sent them in. */
import { HostTensor } from '../shared/engine/host-tensor.js';
import { type Node, TreeAccumulator } from '../shared/plan/tree.js';
import { addInto } from './exchange/add.js';

export class LocalSums {
  readonly #buckets: TreeAccumulator<HostTensor>[];

  /** @param microBatches K, the leaves of the tree, of all workers together */
  constructor(buckets: number, microBatches: number) {
    this.#buckets = Array.from({ length: buckets }, () => new TreeAccumulator(microBatches, addLeft));
  }

  /** Adds micro-batch k's value of a bucket, which is ours from now on. */
  put(bucket: number, k: number, value: HostTensor): void {
    this.#buckets[bucket]!.put({ lo: k, hi: k + 1 }, value);
  }

  /** The covering nodes' sums, from left to right. */
  entries(bucket: number): { readonly node: Node; readonly value: HostTensor }[] {
    return this.#buckets[bucket]!.entries();
  }

  /** Where the sum over all workers goes: every peer has read what lies there before its part of the result comes. */
  output(bucket: number): HostTensor {
    return this.entries(bucket)[0]!.value;
  }

  /**
   * The sums over all workers, which become the caller's; all else is freed. Only when every result is in.
   *
   * @param elsewhere where they are, if not in `output`
   */
  finish(elsewhere?: readonly Float32Array[]): HostTensor[] {
    return this.#buckets.map((_, bucket) => {
      const own = this.entries(bucket).map(({ value }) => value);
      const sum = elsewhere === undefined ? own.shift()! : HostTensor.over(elsewhere[bucket]!);
      for (const value of own) value.free();
      return sum;
    });
  }

  /** Lets go of everything after a failure, when a socket may still be sending from it. */
  abandon(): void {
    for (const [bucket] of this.#buckets.entries()) {
      for (const { value } of this.entries(bucket)) value.abandon();
    }
  }
}

/** left + right, in left's memory. */
function addLeft(left: HostTensor, right: HostTensor): HostTensor {
  addInto(left.floats, left.floats, right.floats);
  right.free();
  return left;
}
