/** A worker's own sums over its micro-batches, bucket by bucket, in the memory that TensorFlow sent them in where that can be. */
import { elementCount } from '../shared/engine/dtype.js';
import { HostTensor } from '../shared/engine/host-tensor.js';
import { type Node, TreeAccumulator } from '../shared/plan/tree.js';
import { addInto } from './exchange/add.js';

export class LocalSums {
  readonly #buckets: TreeAccumulator<HostTensor>[];
  /** Memory for what takes more of it than what was sent. */
  readonly #outputs = new Map<number, HostTensor>();

  /** @param microBatches K, the leaves of the tree, of all workers together */
  constructor(buckets: number, microBatches: number) {
    this.#buckets = Array.from({ length: buckets }, () => new TreeAccumulator(microBatches, added));
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
    const { value } = this.entries(bucket)[0]!;
    if (value.dtype === 'float32') return value;
    const output = this.#outputs.get(bucket) ?? floatsLike(value);
    this.#outputs.set(bucket, output);
    return output;
  }

  /**
   * The sums over all workers, which become the caller's; all else is freed. Only when every result is in.
   *
   * @param elsewhere where they are, if not in `output`
   */
  finish(elsewhere?: readonly Float32Array[]): HostTensor[] {
    return this.#buckets.map((_, bucket) => {
      const sum = elsewhere === undefined ? this.output(bucket) : HostTensor.over(elsewhere[bucket]!);
      for (const { value } of this.entries(bucket)) if (value !== sum) value.free();
      return sum;
    });
  }

  /** Lets go of everything after a failure, when a socket may still be sending from it. */
  abandon(): void {
    for (const [bucket] of this.#buckets.entries()) {
      for (const { value } of this.entries(bucket)) value.abandon();
    }
    for (const output of this.#outputs.values()) output.abandon();
  }
}

/** left + right, in the memory of one that is float32, if either is. */
function added(left: HostTensor, right: HostTensor): HostTensor {
  const sum = [left, right].find(({ dtype }) => dtype === 'float32') ?? floatsLike(left);
  addInto(sum.floats, left.values, right.values);
  for (const value of [left, right]) if (value !== sum) value.free();
  return sum;
}

function floatsLike({ shape }: HostTensor): HostTensor {
  return HostTensor.allocate('float32', [elementCount(shape)]);
}
