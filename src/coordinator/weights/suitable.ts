/** Whether a file's weights are of the network that a config describes, before any tensor is looked at. */

import { presetOf } from '../../shared/config/normalization.js';
import type { Config } from '../../shared/config/schema.js';
import { LockstepError } from '../../shared/errors.js';
import { shapeFromTorch } from './layout.js';
import type { WeightFile } from './weight-file.js';

/**
 * @returns what a user should know, though it may be meant
 * @throws LockstepError WEIGHTS when the file is of another network, stem or epsilon
 */
export function checkSuitable(file: WeightFile, { model }: Config): string[] {
  const { path, naming, epsilon } = file;
  const wrong = (what: string, hint: string) => new LockstepError('WEIGHTS', `${path} ${what}.`, { hint });
  const found = naming.architecture([...file.tensors.keys()]);
  if (found === undefined) {
    const first = [...file.tensors.keys()].slice(0, 3).join(', ');
    throw wrong(`holds no encoder that is known (it begins with ${first || 'nothing'})`, names);
  }
  if (found.encoder !== model.encoder) {
    const { encoder, description } = found;
    throw wrong(
      `holds ${description} (${naming.title}), model.encoder is ${model.encoder}`,
      encoder === undefined ? names : `Set model.encoder to ${encoder}.`,
    );
  }
  const stem = stemOf(file);
  if (stem !== undefined && stem !== model.stem && model.encoder !== 'tiny') {
    throw wrong(
      `has ${stem === 'imagenet' ? 'a 7x7' : 'a 3x3'} stem, model.stem is ${model.stem}`,
      `Set model.stem to ${stem}.`,
    );
  }
  const { batchNorm, normalization } = model;
  if (epsilon !== undefined && epsilon !== batchNorm.epsilon) {
    throw wrong(
      `has the epsilon ${epsilon} in its BatchNorm, model.batchNorm.epsilon is ${batchNorm.epsilon}`,
      `Set it to ${epsilon}.`,
    );
  }
  if (model.init?.classifier && naming.title !== 'Lockstep' && model.classifier?.logitScale !== 1) {
    throw wrong(
      `has a classifier without a factor, model.classifier.logitScale is ${model.classifier?.logitScale}`,
      'Leave the factor out, or model.init.classifier.',
    );
  }
  const notes: string[] = [];
  const convention = naming.convention(model.encoder);
  if (convention !== undefined && epsilon === undefined && batchNorm.epsilon !== convention.epsilon) {
    notes.push(
      `BatchNorm of ${naming.title} has the epsilon ${convention.epsilon}, model.batchNorm.epsilon is ${batchNorm.epsilon}`,
    );
  }
  // Networks for small images are trained with the statistics of those.
  if (
    convention !== undefined &&
    stem === 'imagenet' &&
    presetOf(normalization) !== convention.normalization
  ) {
    notes.push(
      `weights of ${naming.title} that were trained on ImageNet expect model.normalization: ${convention.normalization}`,
    );
  }
  return notes;
}

const names =
  'docs/transfer.md says which files can be read: ResNet-18 and 50 by the names of torchvision and timm, Keras ResNet50 and ResNet50V2, and our own.';

function stemOf({ tensors, naming }: WeightFile): 'cifar' | 'imagenet' | undefined {
  const shape = tensors.get(naming.nameOf('encoder.conv1.kernel') ?? '')?.shape;
  if (shape === undefined) return undefined;
  const [height] = naming.kernels === 'OIHW' ? shapeFromTorch(shape) : shape;
  return height === 7 ? 'imagenet' : height === 3 ? 'cifar' : undefined;
}
