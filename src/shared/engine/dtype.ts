/** The element types that cross between tfjs, TensorFlow and typed arrays. */
import { LockstepError } from '../errors.js';

export type DType = 'float32' | 'int32' | 'uint8' | 'bool' | 'int64' | 'bfloat16';

/** TF_DataType, from tensorflow/c/tf_datatype.h. */
export const tfType = {
  float32: 1,
  int32: 3,
  uint8: 4,
  string: 7,
  int64: 9,
  bool: 10,
  bfloat16: 14,
  resource: 20,
} as const;

const names = new Map<number, DType>([
  [tfType.float32, 'float32'],
  [tfType.int32, 'int32'],
  [tfType.uint8, 'uint8'],
  [tfType.bool, 'bool'],
  [tfType.bfloat16, 'bfloat16'],
  [tfType.int64, 'int64'],
]);

/** bfloat16 is held as its bits. */
export type HostArray = Float32Array | Int32Array | Uint8Array | BigInt64Array | Uint16Array;

/** The name of a TF_DataType, also for those that never reach the host. */
export function dtypeName(type: number): string {
  return names.get(type) ?? (type === tfType.resource ? 'resource' : `dtype ${type}`);
}

/** @throws LockstepError ENGINE for a type that the host cannot hold. */
export function hostType(type: number): DType {
  const name = names.get(type);
  if (name === undefined) {
    throw new LockstepError('ENGINE', `A tensor of ${dtypeName(type)} cannot be brought to the host.`);
  }
  return name;
}

export function bytesPerElement(dtype: DType): number {
  if (dtype === 'uint8' || dtype === 'bool') return 1;
  return dtype === 'int64' ? 8 : dtype === 'bfloat16' ? 2 : 4;
}

/** A typed array over `count` elements of memory from `offset`, in bytes, without a copy. */
export function viewAs(dtype: DType, memory: ArrayBuffer, offset: number, count: number): HostArray {
  switch (dtype) {
    case 'float32':
      return new Float32Array(memory, offset, count);
    case 'int32':
      return new Int32Array(memory, offset, count);
    case 'int64':
      return new BigInt64Array(memory, offset, count);
    case 'bfloat16':
      return new Uint16Array(memory, offset, count);
    case 'uint8':
    case 'bool':
      return new Uint8Array(memory, offset, count);
  }
}

export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, n) => product * n, 1);
}

/** `float32[32,10]`, as error messages write a tensor. */
export function describe(type: number, shape: readonly number[]): string {
  return `${dtypeName(type)}[${shape.join(',')}]`;
}
