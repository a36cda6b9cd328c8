/** Writes a checkpoint beside the others and renames it when it is whole, so that a torn one is never seen. */
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { LockstepError } from '../errors.js';
import { isSystemError, syncFolder } from './durable.js';
import { digestWeights, MANIFEST_FORMAT, type Manifest, type Standing } from './manifest.js';
import type { TensorSpec } from './safetensors.js';
import { TensorFileWriter, writeError } from './tensor-file.js';

/** The two files of a checkpoint: what the model is, and what only training needs. */
export type CheckpointFile = 'weights' | 'optimizer';

/** A tensor of a checkpoint and the file it goes to. Names are unique over both files. */
export interface CheckpointTensor extends TensorSpec {
  readonly file: CheckpointFile;
}

/** The folder of a run's checkpoints. */
export function checkpointsFolder(runFolder: string): string {
  return join(runFolder, 'checkpoints');
}

/** A checkpoint's folder name: the step in eight digits. */
export function checkpointName(step: number): string {
  return String(step).padStart(8, '0');
}

/**
 * One checkpoint that is being written: `begin`, then `append` for each tensor in the order of the specs, then `finish`.
 * A run writes one at a time. Whatever throws, call `abort`: it removes the unfinished folder, and earlier checkpoints are untouched.
 */
export class CheckpointWriter {
  private readonly fileOf: ReadonlyMap<string, TensorFileWriter>;

  private constructor(
    private readonly parent: string,
    private readonly partial: string,
    private readonly standing: Standing,
    private readonly files: Readonly<Record<CheckpointFile, TensorFileWriter>>,
    specs: readonly CheckpointTensor[],
  ) {
    this.fileOf = new Map(specs.map(({ name, file }) => [name, files[file]]));
  }

  /** Opens both files. `specs` are all tensors, in the order in which they'll be appended to their file. */
  static async begin(
    runFolder: string,
    standing: Standing,
    specs: readonly CheckpointTensor[],
  ): Promise<CheckpointWriter> {
    const names = new Set(specs.map((spec) => spec.name));
    if (names.size !== specs.length) {
      throw new LockstepError('CHECKPOINT', 'Two tensors of a checkpoint have the same name.');
    }
    const parent = checkpointsFolder(runFolder);
    const partial = join(parent, `.${checkpointName(standing.step)}.partial`);
    const opened: TensorFileWriter[] = [];
    const create = async (file: CheckpointFile) => {
      const chosen = specs.filter((spec) => spec.file === file);
      const writer = await TensorFileWriter.create(join(partial, `${file}.safetensors`), chosen, {
        format: 'lockstep',
        step: String(standing.step),
      });
      opened.push(writer);
      return writer;
    };
    try {
      await mkdir(parent, { recursive: true });
      await removeLeftovers(parent);
      await mkdir(partial);
      const files = { weights: await create('weights'), optimizer: await create('optimizer') };
      return new CheckpointWriter(parent, partial, standing, files, specs);
    } catch (error) {
      await Promise.all(opened.map((writer) => writer.abort()));
      await rm(partial, { recursive: true, force: true });
      throw writeError(partial, error);
    }
  }

  /** Writes the next bytes of a tensor, all or a piece. Await each call; the bytes must not change until it resolves. */
  async append(name: string, bytes: Uint8Array): Promise<void> {
    const file = this.fileOf.get(name);
    if (file === undefined) {
      throw new LockstepError('CHECKPOINT', `Tensor "${name}" was not announced for this checkpoint.`);
    }
    await file.append(name, bytes);
  }

  /** Makes everything durable and gives the checkpoint its name. Returns its folder and manifest. */
  async finish(): Promise<{ folder: string; manifest: Manifest }> {
    const weights = await this.files.weights.finish();
    const optimizer = await this.files.optimizer.finish();
    const manifest: Manifest = {
      format: MANIFEST_FORMAT,
      ...this.standing,
      files: {
        'weights.safetensors': { bytes: weights.bytes, sha256: weights.sha256 },
        'optimizer.safetensors': { bytes: optimizer.bytes, sha256: optimizer.sha256 },
      },
      weightsDigest: digestWeights(weights.tensors),
    };
    const folder = join(this.parent, checkpointName(this.standing.step));
    try {
      await writeDurably(join(this.partial, 'manifest.json'), `${JSON.stringify(manifest, null, 2)}\n`);
      await syncFolder(this.partial);
      const replaced = await setAside(folder);
      await rename(this.partial, folder);
      await syncFolder(this.parent);
      // The folder of checkpoints itself, which may be new.
      await syncFolder(dirname(this.parent));
      await rm(replaced, { recursive: true, force: true });
    } catch (error) {
      throw writeError(folder, error);
    }
    return { folder, manifest };
  }

  /** Removes what has been written. Does nothing after `finish`. */
  async abort(): Promise<void> {
    await Promise.all([this.files.weights.abort(), this.files.optimizer.abort()]);
    await rm(this.partial, { recursive: true, force: true });
  }
}

async function writeDurably(path: string, text: string): Promise<void> {
  const handle = await open(path, 'wx');
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Moves a checkpoint out of sight in one step, so that a half-removed one is never taken for a checkpoint. */
export async function setAside(folder: string): Promise<string> {
  const aside = join(folder, '..', `.${basename(folder)}.removed`);
  await rm(aside, { recursive: true, force: true });
  await rename(folder, aside).catch((error: unknown) => {
    if (!isSystemError(error, 'ENOENT')) throw error;
  });
  return aside;
}

/** Removes what an interrupted write or removal left in the folder. */
async function removeLeftovers(parent: string): Promise<void> {
  const leftovers = (await readdir(parent)).filter((name) => /^\..*\.(partial|removed)$/.test(name));
  await Promise.all(leftovers.map((name) => rm(join(parent, name), { recursive: true, force: true })));
}
