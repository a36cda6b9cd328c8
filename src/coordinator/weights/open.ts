/** Opens what a user named as weights: by what the file holds, not by what it is called. */
import { open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { openCheckpointOrRun } from '../../shared/checkpoint/checkpoint.js';
import { isSystemError } from '../../shared/checkpoint/durable.js';
import { parseConfig } from '../../shared/config/parse.js';
import { LockstepError } from '../../shared/errors.js';
import { openKerasArchive } from './keras-archive.js';
import { openKeras } from './keras-weights.js';
import { openSafetensors } from './safetensors-weights.js';
import type { WeightFile } from './weight-file.js';

/**
 * A safetensors file, a Keras `.h5` or `.keras`, or the folder of a run or checkpoint. The caller closes it.
 * @throws LockstepError WEIGHTS or CHECKPOINT when there is none, or it is damaged
 */
export async function openWeights(path: string): Promise<WeightFile> {
  if (await isFolder(path)) return await openCheckpointWeights(path);
  switch (await formatOf(path)) {
    case 'hdf5':
      return await openKeras({ path, named: path });
    case 'zip':
      return await openKerasArchive(path);
    case 'pickle':
      throw new LockstepError(
        'WEIGHTS',
        `${path} is a Python pickle, which could run code when it is read.`,
        {
          hint: 'Convert it to safetensors: docs/transfer.md has the command.',
        },
      );
    case 'other':
      return await openSafetensors(path);
  }
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (cause) {
    const what = isSystemError(cause, 'ENOENT', 'ENOTDIR')
      ? 'there is no such file'
      : (cause as Error).message;
    throw new LockstepError('WEIGHTS', `${path}: ${what}.`, {
      cause,
      hint: 'docs/transfer.md says where to get weights.',
    });
  }
}

/** By the first bytes; safetensors has no mark of its own. */
async function formatOf(path: string): Promise<'hdf5' | 'zip' | 'pickle' | 'other'> {
  const handle = await open(path, 'r').catch((cause: unknown) => {
    throw new LockstepError('WEIGHTS', `${path} can't be opened: ${(cause as Error).message}.`, { cause });
  });
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(8), 0, 8, 0);
    const start = buffer.subarray(0, bytesRead);
    const begins = (mark: string) => start.subarray(0, mark.length).equals(Buffer.from(mark, 'latin1'));
    if (begins('\x89HDF\r\n\x1a\n')) return 'hdf5';
    if (begins('PK\x03\x04')) return 'zip';
    // As torch.save wrote before version 1.6; in a safetensors file the length of a header of 640 bytes begins so, too.
    const protocol = [2, 3, 4, 5].some((version) => begins(String.fromCharCode(0x80, version)));
    if (protocol && bytesRead === 8 && start.readUInt32LE(4) !== 0) return 'pickle';
    return 'other';
  } finally {
    await handle.close();
  }
}

/** The weights of a checkpoint whose digests are right, and the epsilon that they were trained with. */
async function openCheckpointWeights(path: string): Promise<WeightFile> {
  const checkpoint = await openCheckpointOrRun(path);
  const { folder, manifest } = checkpoint;
  await checkpoint.close();
  const weights = await openSafetensors(join(folder, 'weights.safetensors'), folder);
  const { model } = parseConfig(manifest.config, join(folder, 'manifest.json'));
  return { ...weights, epsilon: model.batchNorm.epsilon };
}
