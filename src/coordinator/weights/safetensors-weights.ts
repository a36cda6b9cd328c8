/** Weights in a safetensors file: torchvision's or timm's, an export of ours, or the weights of a checkpoint. */
import { TensorFile } from '../../shared/checkpoint/tensor-file.js';
import { LockstepError } from '../../shared/errors.js';
import { asFloat32 } from './floats.js';
import { lockstep } from './lockstep.js';
import { torchvision } from './torchvision.js';
import type { StoredTensor, WeightFile } from './weight-file.js';

/** Where an export of ours says the epsilon that its BatchNorm had. */
export const epsilonKey = 'batchNormEpsilon';

/**
 * @param path the file
 * @param shown what messages call it
 * @throws LockstepError CHECKPOINT when the file is damaged
 */
export async function openSafetensors(path: string, shown = path): Promise<WeightFile> {
  const file = await TensorFile.open(path);
  try {
    const names = file.tensors.map(({ name }) => name);
    const prefix = prefixOf(names);
    const tensors = new Map<string, StoredTensor>();
    for (const { name, dtype, shape } of file.tensors) {
      const read = async () => {
        const values = asFloat32(dtype, await file.read(name));
        if (values !== undefined) return values;
        throw new LockstepError('WEIGHTS', `${shown}: ${name} has the type ${dtype}, which is no weight's.`, {
          hint: 'Convert it to F32: quantised weights are not supported.',
        });
      };
      tensors.set(name.startsWith(prefix) ? name.slice(prefix.length) : name, { shape, read });
    }
    const epsilon = Number(file.metadata[epsilonKey]);
    return {
      path: shown,
      sha256: await file.sha256(),
      naming: names.some((name) => /^encoder\..*\.kernel$/.test(name)) ? lockstep : torchvision,
      tensors,
      epsilon: epsilon > 0 ? epsilon : undefined,
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** What stands before torchvision's names where a network is part of another one, as in `backbone.` or `module.encoder.` */
function prefixOf(names: readonly string[]): string {
  const all = new Set(names);
  const first = 'bn1.running_mean';
  const prefixes = names
    .filter((name) => name.endsWith(`.${first}`))
    .map((name) => name.slice(0, -first.length))
    .filter((prefix) => all.has(`${prefix}layer1.0.${first}`));
  return prefixes.length === 1 ? prefixes[0]! : '';
}
