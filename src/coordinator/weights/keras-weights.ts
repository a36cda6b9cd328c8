/** Weights that Keras has saved: the layouts of its HDF5 files, each as `layer/variable`. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { LockstepError } from '../../shared/errors.js';
import { Hdf5 } from './hdf5.js';
import { keras } from './keras.js';
import { kerasEpsilon, layerNames } from './keras-config.js';
import type { StoredTensor, WeightFile } from './weight-file.js';

/** What `vars/0`, `vars/1` … of a layer are, by what the layer's name ends in. */
const numbered = (layer: string): readonly string[] =>
  /_bn$/.test(layer) ? ['gamma', 'beta', 'moving_mean', 'moving_variance'] : ['kernel', 'bias'];

export interface KerasFile {
  /** The HDF5 file. */
  readonly path: string;
  /** The file that the user named, which may be an archive around it. */
  readonly named: string;
  /** The model's configuration, where it comes beside the file. */
  readonly config?: unknown;
}

/** @throws LockstepError WEIGHTS when the file is damaged, or its layers have no names */
export async function openKeras({ path, named, config: given }: KerasFile): Promise<WeightFile> {
  const file = await Hdf5.open(path, named);
  try {
    const config = given ?? parsed(file.text('/', 'model_config'));
    const names = layerNames(config);
    const tensors = new Map<string, StoredTensor>();
    for (const { path, shape } of file.datasets()) {
      const name = nameOf(path, file, names, named);
      if (name === undefined) continue;
      if (tensors.has(name)) {
        throw new LockstepError('WEIGHTS', `${named} holds ${name} twice.`, {
          hint: 'Save the encoder alone, in a model of its own.',
        });
      }
      tensors.set(name, { shape, read: async () => file.floats(path) });
    }
    return {
      path: named,
      sha256: await sha256(named),
      naming: keras,
      tensors,
      epsilon: kerasEpsilon(config),
      close: async () => file.close(),
    };
  } catch (error) {
    file.close();
    throw error;
  }
}

/**
 * `layer/variable` of a dataset. Keras 3 numbers a layer's variables, and says the layer's name beside them (since 3.7);
 * the older layout has the names in its paths. Undefined for what is no layer's, such as an optimiser's state.
 */
function nameOf(
  path: string,
  file: Hdf5,
  names: ReadonlyMap<string, string>,
  shown: string,
): string | undefined {
  const steps = path.split('/').filter((step) => step !== '');
  const [root] = steps;
  if (root === 'layers' || root === '_layer_checkpoint_dependencies') {
    const [vars, index] = [steps.slice(0, -1).join('/'), Number(steps.at(-1))];
    const layer = file.text(`/${vars}`, 'name') ?? names.get(steps.slice(0, -2).join('/'));
    if (layer === undefined) {
      throw new LockstepError('WEIGHTS', `${shown} does not say the names of its layers (${path}).`, {
        hint: 'Keras does so in .weights.h5 files since 3.7: save the whole model, as .keras or .h5.',
      });
    }
    return `${layer}/${numbered(layer)[index] ?? index}`;
  }
  if (root === 'optimizer' || root === 'optimizer_weights' || steps.length < 2) return undefined;
  return steps.slice(-2).join('/').replace(/:0$/, '');
}

function parsed(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function sha256(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}
