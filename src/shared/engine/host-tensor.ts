/** A TensorFlow tensor in host memory, readable and writable without a copy, and freed by hand. */
import { LockstepError } from '../errors.js';
import { c, checked, keepMemory, memoryViews, type Pointer } from './c-api.js';
import {
  bytesPerElement,
  type DType,
  elementCount,
  type HostArray,
  hostType,
  tfType,
  viewAs,
} from './dtype.js';

let live = 0;

/** Frees what was abandoned, when nothing refers to its memory any more. */
const abandoned = new FinalizationRegistry<Pointer>((pointer) => {
  c.deleteTensor(pointer);
  live -= 1;
});

/** How many host tensors exist: what a leak test counts. */
export function liveHostTensors(): number {
  return live;
}

export class HostTensor {
  #pointer: Pointer | undefined;

  private constructor(
    pointer: Pointer,
    readonly dtype: DType,
    readonly shape: readonly number[],
    /** The elements themselves, row-major. Not to be touched after `free`. */
    readonly data: HostArray = elementsOf(pointer, dtype, shape),
  ) {
    this.#pointer = pointer;
    live += 1;
  }

  /** A new tensor; its memory holds what was there before. */
  static allocate(dtype: DType, shape: readonly number[]): HostTensor {
    return new HostTensor(allocated(dtype, shape), dtype, shape);
  }

  /** New memory for float32, beginning at a multiple of 64 bytes, which is freed when its last view is collected. */
  static memory(count: number): Float32Array {
    const pointer = allocated('float32', [count]);
    const { memory, offset } = memoryViews.own(c.tensorData(pointer), count * bytesPerElement('float32'));
    const tensor = new HostTensor(pointer, 'float32', [count], new Float32Array(memory, offset, count));
    tensor.abandon();
    return tensor.floats;
  }

  static from(dtype: DType, shape: readonly number[], values: ArrayLike<number>): HostTensor {
    const tensor = HostTensor.allocate(dtype, shape);
    if (tensor.data.length !== values.length) {
      tensor.free();
      throw new LockstepError('ENGINE', `${values.length} values do not fill ${dtype}[${shape.join(',')}].`);
    }
    if (!(tensor.data instanceof BigInt64Array)) tensor.data.set(values);
    return tensor;
  }

  /**
   * A tensor [n] of memory that is not TensorFlow's, without a copy where it begins at a multiple of 64 bytes. It must stay
   * mapped until the tensor is freed and every run that it was fed to has ended.
   */
  static over(memory: Float32Array): HostTensor {
    const { length, byteLength } = memory;
    const dims = BigInt64Array.of(BigInt(length));
    const pointer = c.newTensor(tfType.float32, dims, 1, memory, byteLength, keepMemory, null);
    return new HostTensor(pointer, 'float32', [length], memory);
  }

  /** Takes over a TF_Tensor that the C API returned. */
  static adopt(pointer: Pointer): HostTensor {
    const dtype = hostType(c.tensorType(pointer));
    const shape = Array.from({ length: c.numDims(pointer) }, (_, i) => Number(c.dim(pointer, i)));
    return new HostTensor(pointer, dtype, shape);
  }

  /** The same memory as elements of another type, which take up the last dimension. This tensor is freed. */
  as(dtype: DType): HostTensor {
    const shape = this.shape.slice(0, -1);
    const dims = BigInt64Array.from(shape, BigInt);
    const empty = c.allocateTensor(tfType[dtype], BigInt64Array.of(0n), 1, 0);
    try {
      checked((status) => c.bitcastTensor(this.pointer, tfType[dtype], empty, dims, shape.length, status));
    } catch (error) {
      c.deleteTensor(empty);
      throw error;
    }
    this.free();
    return new HostTensor(empty, dtype, shape);
  }

  get pointer(): Pointer {
    if (this.#pointer === undefined) throw new LockstepError('ENGINE', 'This host tensor has been freed.');
    return this.#pointer;
  }

  /** The elements of a float32 tensor. */
  get floats(): Float32Array {
    if (this.data instanceof Float32Array) return this.data;
    throw new LockstepError('ENGINE', `Expected a float32 tensor, this one is ${this.dtype}.`);
  }

  /** The elements of a float32 tensor, or the bits of a bfloat16 one. */
  get values(): Float32Array | Uint16Array {
    return this.data instanceof Uint16Array ? this.data : this.floats;
  }

  /** The value of a tensor with one element, which is not bfloat16. */
  get scalar(): number {
    return Number(this.data[0]);
  }

  free(): void {
    if (this.#pointer === undefined) return;
    c.deleteTensor(this.#pointer);
    this.#pointer = undefined;
    live -= 1;
  }

  /**
   * Has it freed when the last view of its memory is collected: for what a socket may still be sending. That is a view of the
   * memory around it, too, which may be held for longer than this.
   */
  abandon(): void {
    if (this.#pointer === undefined) return;
    memoryViews.forget(c.tensorData(this.#pointer), this.data.buffer);
    abandoned.register(this.data.buffer, this.#pointer);
    this.#pointer = undefined;
  }
}

function allocated(dtype: DType, shape: readonly number[]): Pointer {
  const bytes = elementCount(shape) * bytesPerElement(dtype);
  return c.allocateTensor(tfType[dtype], BigInt64Array.from(shape, BigInt), shape.length, bytes);
}

function elementsOf(pointer: Pointer, dtype: DType, shape: readonly number[]): HostArray {
  const count = elementCount(shape);
  const { memory, offset } = memoryViews.at(c.tensorData(pointer), count * bytesPerElement(dtype));
  return viewAs(dtype, memory, offset, count);
}
