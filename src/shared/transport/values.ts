/** What travels from worker to worker: float32 values, or bfloat16 ones, which are float32's upper halves. */
import { LockstepError } from '../errors.js';

/** bfloat16 values are given as their bits. */
export type Values = Float32Array | Uint16Array;

export const valueTypes = ['float32', 'bfloat16'] as const;
export type ValueType = (typeof valueTypes)[number];

export function valueTypeOf(values: Values): ValueType {
  return values instanceof Uint16Array ? 'bfloat16' : 'float32';
}

export function bytesPerValue(type: ValueType): number {
  return type === 'bfloat16' ? 2 : 4;
}

/** `length` values that begin at a byte of memory, without a copy. */
export function valuesAt(type: ValueType, memory: ArrayBuffer, offset: number, length: number): Values {
  return type === 'bfloat16'
    ? new Uint16Array(memory, offset, length)
    : new Float32Array(memory, offset, length);
}

/** @throws LockstepError PROTOCOL where they are bfloat16 */
export function floatsOf(values: Values): Float32Array {
  if (values instanceof Float32Array) return values;
  throw new LockstepError('PROTOCOL', `${values.length} bfloat16 values came where float32 ones belong.`, {
    hint: 'Do all processes run the same version of Lockstep?',
  });
}
