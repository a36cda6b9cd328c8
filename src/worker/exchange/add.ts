/** The arithmetic in which gradients are summed: element by element, rounded to float32 once. */
import type { KoffiFunc } from 'koffi';
import { nativeLibrary } from '../../shared/native-library.js';
import type { Values } from '../../shared/transport/values.js';

type Add = (out: Float32Array, a: Values, b: Values, count: number) => void;
type Widen = (out: Float32Array, halves: Uint16Array, count: number) => void;

// JavaScript's engine does not vectorise, and WebAssembly can only add what was copied into its own memory, which takes
// longer than the addition.
const library = nativeLibrary(import.meta.url, 'The addition of gradients');

const addition = (name: string): KoffiFunc<Add> =>
  library.func(
    `void ${name}(void *out, const void *a, const void *b, size_t count)`,
  ) as unknown as KoffiFunc<Add>;

const add = addition('lockstep_add');
const addHalf = addition('lockstep_add_half');
const addHalves = addition('lockstep_add_halves');
const widen = library.func(
  'void lockstep_widen(void *out, const void *halves, size_t count)',
) as unknown as KoffiFunc<Widen>;

/**
 * out[i] = a[i] + b[i], each of them float32 or bfloat16; `out` may be `a` or `b`, and otherwise overlaps neither.
 *
 * @throws RangeError where their lengths differ
 */
export function addInto(out: Float32Array, a: Values, b: Values): void {
  const { length } = out;
  if (a.length !== length || b.length !== length) {
    throw new RangeError(`${a.length} and ${b.length} values can not be added into ${length}`);
  }
  if (a instanceof Float32Array) (b instanceof Float32Array ? add : addHalf)(out, a, b, length);
  // A sum of two does not depend on their order.
  else if (b instanceof Float32Array) addHalf(out, b, a, length);
  else addHalves(out, a, b, length);
}

/**
 * out[i] = values[i], where they don't overlap.
 *
 * @throws RangeError where their lengths differ
 */
export function setInto(out: Float32Array, values: Values): void {
  const { length } = out;
  if (values.length !== length) throw new RangeError(`${values.length} values do not fill ${length}`);
  if (values instanceof Float32Array) out.set(values);
  else widen(out, values, length);
}
