/** A copy of what another process reads. */
import type { KoffiFunc } from 'koffi';
import { nativeLibrary } from '../native-library.js';
import type { Values } from './values.js';

const copy = nativeLibrary(import.meta.url, 'The copy into shared memory').func(
  'void lockstep_copy(void *to, const void *from, size_t bytes)',
) as unknown as KoffiFunc<(to: Values, from: Values, bytes: number) => void>;

/**
 * Copies values of one type into memory that they don't overlap, in two thirds of the time that `set` takes where they are
 * many.
 *
 * @throws RangeError where their lengths or types differ
 */
export function copyInto<T extends Values>(to: T, values: T): void {
  if (to.length !== values.length || to.BYTES_PER_ELEMENT !== values.BYTES_PER_ELEMENT) {
    throw new RangeError(
      `${values.byteLength} bytes of ${values.length} values do not fill ${to.byteLength} of ${to.length}`,
    );
  }
  copy(to, values, values.byteLength);
}
