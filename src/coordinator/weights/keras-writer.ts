/** Writes weights as Keras's `load_weights` reads them from a `.h5` file: a group a layer, in the order of the model. */
import { LockstepError } from '../../shared/errors.js';
import type { ExportedTensor } from './exported-tensor.js';
import { loadHdf5 } from './hdf5.js';
import { byPlace } from './keras.js';

/** @param tensors named `layer/variable`, a layer's in the order of its variables */
export async function writeKeras(path: string, tensors: readonly ExportedTensor[]): Promise<void> {
  const hdf5 = await loadHdf5();
  const layerOf = (name: string) => name.slice(0, name.indexOf('/'));
  const layers = [...new Set(tensors.map(({ name }) => layerOf(name)))].sort(byPlace);
  const file = opened(path, () => new hdf5.File(path, 'w'));
  try {
    file.create_attribute('layer_names', layers);
    file.create_attribute('backend', 'tensorflow');
    // Of the Keras that this layout is from; later ones read it too.
    file.create_attribute('keras_version', '2.15.0');
    for (const layer of layers) {
      const variables = tensors.filter(({ name }) => layerOf(name) === layer);
      const names = variables.map(({ name }) => name);
      const group = file.create_group(layer);
      group.create_attribute('weight_names', names);
      const inner = group.create_group(layer);
      for (const { name, shape, read } of variables) {
        inner.create_dataset({
          name: name.slice(layer.length + 1),
          data: await read(),
          shape: [...shape],
        });
      }
    }
    file.flush();
  } finally {
    file.close();
  }
}

function opened<T>(path: string, open: () => T): T {
  try {
    return open();
  } catch (cause) {
    throw new LockstepError('WEIGHTS', `${path} can't be written.`, { cause });
  }
}
