/** `.keras` files: a zip with a model's configuration and its weights as HDF5. */
import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import yauzl from 'yauzl';
import { isSystemError } from '../../shared/checkpoint/durable.js';
import { LockstepError } from '../../shared/errors.js';
import { openKeras } from './keras-weights.js';
import type { WeightFile } from './weight-file.js';

const weightsName = 'model.weights.h5';
const configName = 'config.json';
/** Of a configuration; ResNet50's has 0.2 MB. */
const maxConfigBytes = 1 << 26;

/** Unpacks the weights into a temporary folder, which goes when the file is closed. */
export async function openKerasArchive(path: string): Promise<WeightFile> {
  const folder = await mkdtemp(join(tmpdir(), 'lockstep-keras-'));
  const remove = () => rm(folder, { recursive: true, force: true });
  try {
    const weights = join(folder, weightsName);
    const config = await unpack(path, weights);
    const file = await openKeras({ path: weights, named: path, config });
    return {
      ...file,
      close: async () => {
        await file.close();
        await remove();
      },
    };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** Writes the weights to `target`. @returns the configuration */
async function unpack(path: string, target: string): Promise<unknown> {
  let config: Buffer | undefined;
  let found = false;
  try {
    const zip = await yauzl.openPromise(path, { autoClose: false });
    try {
      for await (const entry of zip.eachEntry()) {
        if (entry.fileName === weightsName) {
          await pipeline(await zip.openReadStreamPromise(entry), createWriteStream(target));
          found = true;
        }
        if (entry.fileName === configName && entry.uncompressedSize <= maxConfigBytes) {
          config = Buffer.concat(await (await zip.openReadStreamPromise(entry)).toArray());
        }
      }
    } finally {
      zip.close();
    }
  } catch (cause) {
    if (isSystemError(cause, 'ENOSPC', 'EDQUOT')) {
      throw new LockstepError('WEIGHTS', `No space left to unpack ${path} into ${dirname(target)}.`, {
        cause,
        hint: 'Free some space, or name another folder with TMPDIR.',
      });
    }
    throw new LockstepError('WEIGHTS', `${path} is no whole zip archive: ${(cause as Error).message}.`, {
      cause,
      hint: 'Copy it again from where it came.',
    });
  }
  if (!found) {
    throw new LockstepError('WEIGHTS', `${path} is a zip archive without ${weightsName}: no .keras file.`, {
      hint: 'A file of torch.save has to be converted to safetensors: see docs/transfer.md.',
    });
  }
  try {
    return config === undefined ? undefined : JSON.parse(config.toString('utf8'));
  } catch (cause) {
    throw new LockstepError('WEIGHTS', `${path}: ${configName} in it is no JSON.`, { cause });
  }
}
