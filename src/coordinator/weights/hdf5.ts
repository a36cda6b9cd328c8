/** HDF5 files, by the HDF5 library itself compiled to WebAssembly (h5wasm). */
import type { Dataset, File, Group } from 'h5wasm/node';
import { LockstepError } from '../../shared/errors.js';

export interface Hdf5Dataset {
  /** From the root, as in `/layers/conv2d/vars/0`. */
  readonly path: string;
  readonly shape: readonly number[];
}

/** An HDF5 file that is open for reading; `shown` is what messages call it. */
export class Hdf5 {
  private constructor(
    private readonly file: File,
    private readonly shown: string,
  ) {}

  /** @throws LockstepError WEIGHTS when it is damaged */
  static async open(path: string, shown = path): Promise<Hdf5> {
    const hdf5 = await loadHdf5();
    return new Hdf5(
      guarded(shown, () => new hdf5.File(path, 'r')),
      shown,
    );
  }

  /** All datasets in the file. Links are not followed. */
  datasets(): Hdf5Dataset[] {
    const found: Hdf5Dataset[] = [];
    const walk = (group: Group): void => {
      for (const name of group.keys()) {
        const entity = group.get(name);
        if (isGroup(entity)) walk(entity);
        else if (isDataset(entity)) found.push({ path: entity.path, shape: entity.shape ?? [] });
      }
    };
    guarded(this.shown, () => walk(this.file));
    return found;
  }

  /** An attribute that is a text; undefined if the object or the attribute is missing. */
  text(path: string, attribute: string): string | undefined {
    return guarded(this.shown, () => {
      const value = this.file.get(path);
      if (!isGroup(value) || !(attribute in value.attrs)) return undefined;
      const text = value.attrs[attribute]?.value;
      return typeof text === 'string' ? text : undefined;
    });
  }

  /** A dataset's values. @throws LockstepError WEIGHTS when it is no floating-point one, or can't be read */
  floats(path: string): Float32Array {
    const value = guarded(this.shown, () => {
      const dataset = this.file.get(path);
      return isDataset(dataset) ? dataset.value : undefined;
    });
    if (value instanceof Float32Array) return value;
    if (value instanceof Float64Array) return Float32Array.from(value);
    throw new LockstepError('WEIGHTS', `${this.shown}: ${path} holds no float32 or float64 numbers.`);
  }

  close(): void {
    this.file.close();
  }
}

/** The library, which throws in place of printing what is wrong. */
export async function loadHdf5() {
  const { default: hdf5 } = await import('h5wasm/node');
  (await hdf5.ready).activate_throwing_error_handler();
  return hdf5;
}

// Told apart by their type: the library's classes are known only once it is loaded.
function isGroup(entity: unknown): entity is Group {
  return typeOf(entity) === 'Group';
}
function isDataset(entity: unknown): entity is Dataset {
  return typeOf(entity) === 'Dataset';
}
function typeOf(entity: unknown): unknown {
  return typeof entity === 'object' && entity !== null && 'type' in entity ? entity.type : undefined;
}

function guarded<T>(shown: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    throw new LockstepError('WEIGHTS', `${shown} is damaged, or no HDF5 file: ${innermost(cause)}.`, {
      cause,
      hint: 'Copy it again from where it came.',
    });
  }
}

/** The library prints its stack of calls; the last one says what is wrong. */
function innermost(cause: unknown): string {
  const message = cause instanceof Error ? cause.message : String(cause);
  const reasons = [...message.matchAll(/#\d+: .*? in \w+\(\): (.+)/g)];
  return (reasons.at(-1)?.[1] ?? message.split('\n')[0] ?? '').trim();
}
