/** Files with formula weights for all of a model's tensors, under the names and in the layouts of PyTorch and Keras. */
import { keras } from '../src/coordinator/weights/keras.js';
import { writeKeras } from '../src/coordinator/weights/keras-writer.js';
import { shapeToTorch } from '../src/coordinator/weights/layout.js';
import { torchvision } from '../src/coordinator/weights/torchvision.js';
import { TensorFileWriter } from '../src/shared/checkpoint/tensor-file.js';
import type { Model } from '../src/shared/model/model.js';
import { kerasValues, torchValues } from './formula-weights.js';

/** A safetensors file by torchvision's names; without what has no name there. */
export async function writeTorchFile(path: string, model: Model): Promise<void> {
  const specs = [...model.parameters, ...model.statistics].flatMap(({ name, shape }) => {
    const theirs = torchvision.nameOf(name);
    return theirs === undefined ? [] : [{ name: theirs, shape: shapeToTorch(shape), dtype: 'F32' as const }];
  });
  const writer = await TensorFileWriter.create(path, specs);
  for (const { name, shape } of specs) {
    await writer.append(name, new Uint8Array(torchValues(name, shape).buffer));
  }
  await writer.finish();
}

/** A `.h5` file by the names of Keras. */
export async function writeKerasFile(path: string, model: Model): Promise<void> {
  const tensors = [...model.parameters, ...model.statistics].map(({ name, shape }) => {
    const theirs = keras.nameOf(name)!;
    return { name: theirs, shape, read: async () => kerasValues(theirs, shape) };
  });
  await writeKeras(path, tensors);
}
