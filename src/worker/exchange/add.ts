/** The addition in which gradients are summed: element by element, rounded to float32 once. */
import type { KoffiFunc } from 'koffi';
import { nativeLibrary } from '../../shared/native-library.js';

type Add = (out: Float32Array, a: Float32Array, b: Float32Array, count: number) => void;

// JavaScript's engine does not vectorise, and WebAssembly can only add what was copied into its own memory, which takes
// longer than the addition.
const add = nativeLibrary(import.meta.url, 'The addition of gradients').func(
  'void lockstep_add(void *out, const void *a, const void *b, size_t count)',
) as unknown as KoffiFunc<Add>;

/**
 * out[i] = a[i] + b[i]; `out` may be `a` or `b`, and otherwise overlaps neither.
 *
 * @throws RangeError where their lengths differ
 */
export function addInto(out: Float32Array, a: Float32Array, b: Float32Array): void {
  const { length } = out;
  if (a.length !== length || b.length !== length) {
    throw new RangeError(`${a.length} and ${b.length} floats can not be added into ${length}`);
  }
  add(out, a, b, length);
}
