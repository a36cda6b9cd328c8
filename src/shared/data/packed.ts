/** Writes a packed dataset folder beside its place and renames it in: nobody ever sees half of one. */
import { createHash, randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { isSystemError, syncFolder, writeAtomically } from '../checkpoint/durable.js';
import { LockstepError } from '../errors.js';
import { classes, imageShape, type SplitName, splitNames } from './cifar.js';
import { type Manifest, manifestFile, type PackedFile } from './manifest.js';

/** A split on its way into a packed folder. */
export interface ImportedSplit {
  readonly count: number;
  /** Pieces of count x 32 x 32 x 3 bytes, HWC, in order; a piece may be reused once the next one is asked for. */
  readonly images: Iterable<Uint8Array>;
  readonly labels: Uint8Array;
}

/** What an importer makes of its source. */
export interface Imported {
  readonly kind: Manifest['source']['kind'];
  readonly splits: Readonly<Record<SplitName, ImportedSplit>>;
}

export interface PackOptions {
  readonly name: string;
  /** For the manifest: where the images came from. */
  readonly source: string;
  /** What to do with a dataset that is already there: put the new one in its place, or keep it and drop the new one. */
  readonly existing: 'replace' | 'keep';
  /** Called with the images written so far, over both splits. */
  readonly onImages?: (written: number) => void;
}

/**
 * Writes `train.images.bin`, `train.labels.bin`, `test.…` and `manifest.json` into `folder`.
 *
 * @throws LockstepError DATA when `folder` holds something else, or can't be written
 */
export async function writePacked(folder: string, imported: Imported, options: PackOptions): Promise<void> {
  refuseForeignFolder(folder);
  const parent = path.dirname(path.resolve(folder));
  try {
    await mkdir(parent, { recursive: true });
    await removeLeftovers(parent, path.basename(path.resolve(folder)));
    const partial = partialBeside(folder);
    try {
      await mkdir(partial);
      const manifest = await writeFiles(partial, imported, options);
      await writeAtomically(path.join(partial, manifestFile), `${JSON.stringify(manifest, null, 2)}\n`);
      await moveIn(partial, folder, options.existing);
    } finally {
      await rm(partial, { recursive: true, force: true });
    }
  } catch (cause) {
    if (cause instanceof LockstepError) throw cause;
    const why = (cause as NodeJS.ErrnoException).code === 'ENOSPC' ? 'the disk is full' : String(cause);
    throw new LockstepError('DATA', `${folder} can't be written: ${why}.`, {
      hint: 'Choose another place with --to DIR or LOCKSTEP_CACHE.',
      cause,
    });
  }
}

/** @throws LockstepError DATA when something lies at `folder` that is not a packed dataset, and so is not ours to replace */
export function refuseForeignFolder(folder: string): void {
  if (existsSync(folder) && !existsSync(path.join(folder, manifestFile))) {
    throw new LockstepError('DATA', `${folder} exists and is not a packed dataset, so it is left alone.`, {
      hint: 'Name a folder that does not exist yet.',
    });
  }
}

const partialPrefix = '.partial-';
const dayMs = 24 * 3600 * 1000;

/** A folder's place until it is whole, or after it was replaced. */
function partialBeside(folder: string): string {
  const whole = path.resolve(folder);
  return path.join(path.dirname(whole), `${partialPrefix}${path.basename(whole)}-${randomUUID()}`);
}

/** A killed import can't clean up behind itself; a day later nobody can still be writing there. */
async function removeLeftovers(parent: string, dataset: string): Promise<void> {
  for (const name of await readdir(parent)) {
    if (!name.startsWith(`${partialPrefix}${dataset}-`)) continue;
    const leftover = path.join(parent, name);
    const info = await stat(leftover).catch(() => undefined);
    if (info !== undefined && Date.now() - info.mtimeMs > dayMs) {
      await rm(leftover, { recursive: true, force: true });
    }
  }
}

async function moveIn(partial: string, folder: string, existing: PackOptions['existing']): Promise<void> {
  const old = partialBeside(folder);
  for (let attempt = 0; ; attempt++) {
    try {
      await rename(partial, folder);
      break;
    } catch (error) {
      if (!isSystemError(error, 'ENOTEMPTY', 'EEXIST') || attempt === 3) {
        // There may be nothing to put back.
        await rename(old, folder).catch(() => {});
        throw error;
      }
      if (existing === 'keep') return;
      // Somebody else may have replaced it in between.
      await rm(old, { recursive: true, force: true });
      await rename(folder, old).catch((cause: unknown) => {
        if (!isSystemError(cause, 'ENOENT')) throw cause;
      });
    }
  }
  await syncFolder(path.dirname(partial));
  await rm(old, { recursive: true, force: true });
}

async function writeFiles(
  folder: string,
  { kind, splits }: Imported,
  options: PackOptions,
): Promise<Manifest> {
  let before = 0;
  const files = {} as Record<SplitName, Manifest['splits']['train']>;
  for (const name of splitNames) {
    const split = splits[name];
    const imageBytes = imageShape[0] * imageShape[1] * imageShape[2];
    const images = await writeBytes(folder, `${name}.images.bin`, split.images, (bytes) =>
      options.onImages?.(before + Math.floor(bytes / imageBytes)),
    );
    const labels = await writeBytes(folder, `${name}.labels.bin`, [split.labels]);
    if (images.bytes !== split.count * imageBytes || labels.bytes !== split.count) {
      throw new Error(
        `an importer gave ${images.bytes} and ${labels.bytes} bytes for ${split.count} ${name} images`,
      );
    }
    files[name] = { count: split.count, images, labels };
    before += split.count;
  }
  return {
    format: 'lockstep-dataset',
    version: 1,
    name: options.name,
    imageShape: [...imageShape],
    classes: [...classes],
    splits: files,
    source: { kind, path: options.source },
  };
}

async function writeBytes(
  folder: string,
  file: string,
  pieces: Iterable<Uint8Array>,
  onBytes?: (written: number) => void,
): Promise<PackedFile> {
  const hash = createHash('sha256');
  const handle: FileHandle = await open(path.join(folder, file), 'wx');
  let bytes = 0;
  try {
    for (const piece of pieces) {
      await handle.writeFile(piece);
      hash.update(piece);
      bytes += piece.length;
      onBytes?.(bytes);
    }
    // A rename that survives a power cut must not point at data that did not.
    await handle.sync();
  } finally {
    await handle.close();
  }
  return { file, bytes, sha256: hash.digest('hex') };
}
