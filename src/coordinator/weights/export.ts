/** `lockstep export`: a checkpoint's weights as a file that PyTorch, Keras or another run reads. */
import { existsSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type Checkpoint, openCheckpointOrRun } from '../../shared/checkpoint/checkpoint.js';
import { TensorFileWriter, writeError } from '../../shared/checkpoint/tensor-file.js';
import { parseConfig } from '../../shared/config/parse.js';
import type { Config } from '../../shared/config/schema.js';
import { LockstepError } from '../../shared/errors.js';
import type { ExportedTensor } from './exported-tensor.js';
import { keras } from './keras.js';
import { writeKeras } from './keras-writer.js';
import { shapeToTorch, toTorch } from './layout.js';
import { lockstep } from './lockstep.js';
import type { Naming } from './naming.js';
import { epsilonKey } from './safetensors-weights.js';
import { torchvision } from './torchvision.js';

export const exportFormats = ['torchvision', 'timm', 'keras', 'lockstep'] as const;
export type ExportFormat = (typeof exportFormats)[number];

/** timm's ResNets have torchvision's names. */
const namings: Readonly<Record<ExportFormat, Naming>> = { torchvision, timm: torchvision, keras, lockstep };

export interface Exported {
  readonly out: string;
  /** The checkpoint's. */
  readonly folder: string;
  readonly step: number;
  readonly tensors: number;
  /** Tensors of ours that the format has no place for. */
  readonly leftOut: readonly string[];
}

/**
 * Writes the weights of a checkpoint, or of a run's last one, to a new file.
 * @throws LockstepError USAGE when the format has no such network, or the file is there already; CHECKPOINT
 */
export async function exportWeights(path: string, format: ExportFormat, out: string): Promise<Exported> {
  if (existsSync(out)) {
    throw new LockstepError('USAGE', `${out} is there already.`, { hint: 'Give another --out.' });
  }
  if (format === 'keras' && (!out.endsWith('.h5') || out.endsWith('.weights.h5'))) {
    throw new LockstepError(
      'USAGE',
      `${out}: the name of a file for Keras ends in .h5, not in .weights.h5.`,
      {
        hint: 'load_weights tells the layouts of its files apart by their names.',
      },
    );
  }
  const checkpoint = await openCheckpointOrRun(path);
  try {
    const { folder, manifest } = checkpoint;
    const config = parseConfig(manifest.config, join(folder, 'manifest.json'));
    checkEncoder(config, format);
    const { tensors, leftOut } = exported(
      checkpoint,
      namings[format],
      config.model.classifier?.logitScale ?? 1,
    );
    const beside = join(dirname(out), `.${basename(out)}.${process.pid}.partial`);
    try {
      if (format === 'keras') await writeKeras(beside, tensors);
      else await writeSafetensors(beside, tensors, metadataOf(config, format));
      await rename(beside, out);
    } catch (error) {
      await rm(beside, { force: true });
      throw writeError(out, error);
    }
    return { out, folder, step: manifest.step, tensors: tensors.length, leftOut };
  } finally {
    await checkpoint.close();
  }
}

function checkEncoder({ model }: Config, format: ExportFormat): void {
  const { encoders, title } = namings[format];
  if (encoders.includes(model.encoder)) return;
  const others = exportFormats.filter((other) => namings[other].encoders.includes(model.encoder));
  throw new LockstepError('USAGE', `${title} has no network like the encoder ${model.encoder}.`, {
    hint: `For it there is --format ${others.join(' or ')}.`,
  });
}

/** What of a checkpoint is written, under which names. A classifier of several layers has no place but in our own files. */
function exported(checkpoint: Checkpoint, { nameOf, kernels }: Naming, logitScale: number) {
  const weights = checkpoint.tensors.filter(({ file }) => file === 'weights');
  const linear = weights.every(({ name }) => !name.startsWith('classifier.1.'));
  const tensors: ExportedTensor[] = [];
  const leftOut: string[] = [];
  for (const { name, shape } of weights) {
    const theirs = nameOf(name);
    if (theirs === undefined || (theirs !== name && !linear && name.startsWith('classifier.'))) {
      leftOut.push(name);
      continue;
    }
    const read = async () => {
      const { buffer, byteOffset, byteLength } = await checkpoint.read(name);
      const values = new Float32Array(buffer, byteOffset, byteLength / 4);
      // Others know no factor behind the last layer, so it goes into the layer.
      return logitScale !== 1 && name.startsWith('classifier.') && theirs !== name
        ? values.map((value) => value * logitScale)
        : values;
    };
    tensors.push(
      kernels === 'HWIO'
        ? { name: theirs, shape, read }
        : { name: theirs, shape: shapeToTorch(shape), read: async () => toTorch(await read(), shape) },
    );
  }
  return { tensors, leftOut };
}

/** What the tensors alone do not say. `format` is what PyTorch's tools look for. */
function metadataOf({ model }: Config, format: ExportFormat): Record<string, string> {
  return {
    format: format === 'lockstep' ? 'lockstep' : 'pt',
    encoder: model.encoder,
    stem: model.stem,
    [epsilonKey]: String(model.batchNorm.epsilon),
    normalization: JSON.stringify(model.normalization),
  };
}

async function writeSafetensors(
  path: string,
  tensors: readonly ExportedTensor[],
  metadata: Readonly<Record<string, string>>,
): Promise<void> {
  const specs = tensors.map(({ name, shape }) => ({ name, shape, dtype: 'F32' as const }));
  const writer = await TensorFileWriter.create(path, specs, metadata);
  try {
    for (const { name, read } of tensors) {
      const { buffer, byteOffset, byteLength } = await read();
      await writer.append(name, new Uint8Array(buffer, byteOffset, byteLength));
    }
    await writer.finish();
  } catch (error) {
    await writer.abort();
    throw error;
  }
}
