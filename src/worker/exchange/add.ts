/** The arithmetic in which gradients are summed: element by element, rounded to float32 once. */
import type { KoffiFunc } from 'koffi';
import { nativeLibrary } from '../../shared/native-library.js';
import { squaresBlock } from '../../shared/plan/buckets.js';
import type { Values } from '../../shared/transport/values.js';

/**
 * Takes the sums of the squares of every `block` results, in float64 and in one order: what gradients are clipped by. It
 * costs nothing beside the memory's traffic.
 */
export interface Squares {
  /** In values. */
  readonly block: number;
  /** As many as there are blocks, the last of which may be shorter. */
  readonly sums: Float64Array<ArrayBuffer>;
}

type Out = Float32Array | null;
type Tail = [count: number, block: number, squares: Float64Array | null];
type Add = (out: Out, a: Values, b: Values, ...tail: Tail) => void;
type Set = (out: Out, values: Values, ...tail: Tail) => void;

// JavaScript's engine does not vectorise, and WebAssembly can only add what was copied into its own memory, which takes
// longer than the addition.
const library = nativeLibrary(import.meta.url, 'The addition of gradients');
const tail = 'size_t count, size_t block, double *squares';

const addition = (name: string): KoffiFunc<Add> =>
  library.func(`void ${name}(void *out, const void *a, const void *b, ${tail})`) as unknown as KoffiFunc<Add>;
const setting = (name: string): KoffiFunc<Set> =>
  library.func(`void ${name}(void *out, const void *values, ${tail})`) as unknown as KoffiFunc<Set>;

const add = addition('lockstep_add');
const addHalf = addition('lockstep_add_half');
const addHalves = addition('lockstep_add_halves');
const set = setting('lockstep_set');
const widen = setting('lockstep_widen');

/**
 * out[i] = a[i] + b[i], each of them float32 or bfloat16; `out` may be `a` or `b`, and otherwise overlaps neither.
 *
 * @throws RangeError where their lengths, or the number of blocks, differ
 */
export function addInto(out: Float32Array, a: Values, b: Values, squares?: Squares): void {
  const { length } = out;
  if (a.length !== length || b.length !== length) {
    throw new RangeError(`${a.length} and ${b.length} values can not be added into ${length}`);
  }
  const end = tailOf(length, squares);
  if (a instanceof Float32Array) (b instanceof Float32Array ? add : addHalf)(out, a, b, ...end);
  // A sum of two does not depend on their order.
  else if (b instanceof Float32Array) addHalf(out, b, a, ...end);
  else addHalves(out, a, b, ...end);
}

/**
 * out[i] = values[i]; where they are the same memory, only squares are taken. Otherwise they don't overlap.
 *
 * @throws RangeError where their lengths, or the number of blocks, differ
 */
export function setInto(out: Float32Array, values: Values, squares?: Squares): void {
  const { length } = out;
  if (values.length !== length) throw new RangeError(`${values.length} values do not fill ${length}`);
  const isSame = out.buffer === values.buffer && out.byteOffset === values.byteOffset;
  if (squares === undefined && values instanceof Float32Array) {
    // Through the caches: what came in a frame is there.
    if (!isSame) out.set(values);
    return;
  }
  const call = values instanceof Float32Array ? set : widen;
  call(isSame ? null : out, values, ...tailOf(length, squares));
}

function tailOf(length: number, squares: Squares | undefined): Tail {
  if (squares === undefined) return [length, squaresBlock, null];
  const { block, sums } = squares;
  if (sums.length !== Math.ceil(length / block)) {
    throw new RangeError(`${length} values are not ${sums.length} blocks of ${block}`);
  }
  return [length, block, sums];
}
