/** Stored numbers of several types as float32. */
import type { Dtype } from '../../shared/checkpoint/safetensors.js';

/** Little-endian bytes of a floating-point type as float32; undefined for other types. */
export function asFloat32(dtype: Dtype, bytes: Uint8Array<ArrayBuffer>): Float32Array | undefined {
  const { buffer, byteOffset, byteLength } = bytes;
  switch (dtype) {
    case 'F32':
      return new Float32Array(buffer, byteOffset, byteLength / 4);
    case 'F64':
      return Float32Array.from(new Float64Array(buffer, byteOffset, byteLength / 8));
    case 'BF16':
      // The upper half of a float32.
      return new Float32Array(
        Uint32Array.from(new Uint16Array(buffer, byteOffset, byteLength / 2), (bits) => bits << 16).buffer,
      );
    case 'F16':
      return Float32Array.from(new Uint16Array(buffer, byteOffset, byteLength / 2), fromHalf);
    default:
      return undefined;
  }
}

/** IEEE 754 binary16: sign, 5 bits of exponent, 10 of fraction. */
export function fromHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
