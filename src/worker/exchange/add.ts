/** The addition in which gradients are summed: element by element, rounded to float32 once. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import koffi, { type KoffiFunc } from 'koffi';
import { LockstepError } from '../../shared/errors.js';
import { packageRoot } from '../../shared/package-root.js';

type Add = (out: Float32Array, a: Float32Array, b: Float32Array, count: number) => void;

const add = load();

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

/**
 * The one native function of ours, in add.cc: JavaScript's engine does not vectorise, and WebAssembly can only add what was
 * copied into its own memory, which takes longer than the addition.
 */
function load(): Add {
  // Beside this module, once that is compiled.
  const file = import.meta.url.endsWith('.js')
    ? fileURLToPath(new URL('add.so', import.meta.url))
    : join(packageRoot, 'dist', 'worker', 'exchange', 'add.so');
  if (!existsSync(file)) {
    throw new LockstepError('ENGINE', `The addition of gradients is not compiled (${file} is missing).`, {
      hint: 'Run `npm run setup` in the project folder.',
    });
  }
  const library = koffi.load(file);
  return library.func(
    'void lockstep_add(void *out, const void *a, const void *b, size_t count)',
  ) as unknown as KoffiFunc<Add>;
}
