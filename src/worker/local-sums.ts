/** A worker's own sums over its micro-batches, bucket by bucket, in the memory that TensorFlow sent them in where that can be. */
import { elementCount } from '../shared/engine/dtype.js';
import { HostTensor } from '../shared/engine/host-tensor.js';
import { type Node, TreeAccumulator } from '../shared/plan/tree.js';
import { addInto } from './exchange/add.js';
import type { SumMemory } from './sum-memory.js';

export class LocalSums {
  readonly #buckets: TreeAccumulator<HostTensor>[];
  /** Those that lie in `memory`. */
  readonly #kept = new Map<number, HostTensor>();

  /**
   * @param microBatches K, the leaves of the tree, of all workers together
   * @param memory for what takes more of it than what was sent; nobody else's until the step is over
   */
  constructor(
    buckets: number,
    microBatches: number,
    private readonly memory: SumMemory,
  ) {
    this.#buckets = Array.from(
      { length: buckets },
      (_, bucket) => new TreeAccumulator(microBatches, (left, right) => this.#added(bucket, left, right)),
    );
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
    const own = this.entries(bucket).map(({ value }) => value);
    const sum = own.find(({ dtype }) => dtype === 'float32') ?? this.#kept.get(bucket);
    return sum ?? this.#floats(bucket, own[0]!);
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
    for (const tensor of this.#kept.values()) tensor.free();
    this.memory.abandon();
  }

  /** left + right, in the memory of one that is float32, if either is. */
  #added(bucket: number, left: HostTensor, right: HostTensor): HostTensor {
    const sum = [left, right].find(({ dtype }) => dtype === 'float32') ?? this.#floats(bucket, left);
    addInto(sum.floats, left.values, right.values);
    for (const value of [left, right]) {
      if (value === sum) continue;
      if (this.#kept.get(bucket) === value) this.#kept.delete(bucket);
      value.free();
    }
    return sum;
  }

  /** The bucket's memory while no sum lies there, else new one. */
  #floats(bucket: number, { shape }: HostTensor): HostTensor {
    if (this.#kept.has(bucket)) return HostTensor.allocate('float32', [elementCount(shape)]);
    const tensor = HostTensor.over(this.memory.of(bucket));
    this.#kept.set(bucket, tensor);
    return tensor;
  }
}
