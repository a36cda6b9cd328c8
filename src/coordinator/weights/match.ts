/** A model's tensors and the ones of a file that belong to them: all of them, or an error that names what does not fit. */
import { LockstepError } from '../../shared/errors.js';
import { fromTorch, shapeFromTorch } from './layout.js';
import type { StoredTensor, WeightFile } from './weight-file.js';

/** A tensor of the model. */
export interface WantedTensor {
  readonly name: string;
  readonly shape: readonly number[];
}

export interface MatchedTensor extends WantedTensor {
  /** Its values in the model's layout. */
  read(): Promise<Float32Array>;
}

export interface Match {
  readonly tensors: readonly MatchedTensor[];
  /** Names of the file that were not asked for: heads. */
  readonly leftOut: readonly string[];
}

/**
 * @param wanted the encoder's tensors, and the classifier's where they are wanted too
 * @throws LockstepError WEIGHTS that names every tensor which is missing, misshapen, or of an encoder but not of this one
 */
export function matchTensors(wanted: readonly WantedTensor[], file: WeightFile): Match {
  const { naming, path } = file;
  const tensors: MatchedTensor[] = [];
  const missing: string[] = [];
  const misshapen: string[] = [];
  const left = new Set([...file.tensors.keys()].filter((name) => !naming.isIgnored(name)));
  for (const one of wanted) {
    const theirs = naming.nameOf(one.name) ?? one.name;
    const stored = file.tensors.get(theirs);
    left.delete(theirs);
    if (stored === undefined) {
      missing.push(theirs);
      continue;
    }
    const shape = naming.kernels === 'OIHW' ? shapeFromTorch(stored.shape) : stored.shape;
    if (shape.join() !== one.shape.join()) {
      misshapen.push(`${theirs} [${shape.join(',')}] where the model has [${one.shape.join(',')}]`);
      continue;
    }
    tensors.push({ ...one, read: () => values(stored, naming.kernels) });
  }
  const unmatched = [...left].filter((name) => naming.isEncoder(name));
  const troubles = [
    ['missing', missing],
    ['misshapen', misshapen],
    ['not in the model', unmatched],
  ] as const;
  const found = troubles.filter(([, names]) => names.length > 0);
  if (found.length > 0) {
    const lists = found.map(([what, names]) => `${what}: ${names.join(', ')}`);
    throw new LockstepError('WEIGHTS', `${path} does not fit the model: ${lists.join('; ')}.`, {
      hint: 'Kernels are given as [height,width,in,out]. docs/transfer.md says which files fit which encoder.',
    });
  }
  return { tensors, leftOut: [...left] };
}

async function values(stored: StoredTensor, layout: 'OIHW' | 'HWIO'): Promise<Float32Array> {
  const read = await stored.read();
  return layout === 'OIHW' ? fromTorch(read, stored.shape) : read;
}
