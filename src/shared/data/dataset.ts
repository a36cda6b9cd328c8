/** A packed dataset on disk, opened: its manifest, its digest, and its splits in memory. */
import { createHash } from 'node:crypto';
import { createReadStream, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { LockstepError } from '../errors.js';
import { imageBytes, type SplitName, splitNames } from './cifar.js';
import { datasetDigest, type Manifest, manifestFile, type PackedFile, parseManifest } from './manifest.js';

/** The images and labels of one split, in the order that sample ids count. */
export interface Split {
  readonly count: number;
  /** count x 32 x 32 x 3, uint8, HWC, RGB. */
  readonly images: Uint8Array;
  /** count, uint8, each below the number of classes. */
  readonly labels: Uint8Array;
}

export interface Dataset {
  /** Absolute path of the packed folder. */
  readonly folder: string;
  readonly manifest: Manifest;
  /** sha256 of the content, hex; see `datasetDigest`. */
  readonly digest: string;
  /** Read from disk on first use and kept. @throws LockstepError DATA when a label is out of range */
  split(name: SplitName): Split;
}

/**
 * Opens a packed folder (see packed.ts for the layout) and checks that its files are there in the right sizes.
 *
 * @throws LockstepError DATA
 */
export function openDataset(folder: string): Dataset {
  const root = path.resolve(folder);
  const manifest = readManifest(root);
  for (const name of splitNames) {
    const { count, images, labels } = manifest.splits[name];
    checkSize(root, images, count * imageBytes);
    checkSize(root, labels, count);
  }
  const opened = new Map<SplitName, Split>();
  return {
    folder: root,
    manifest,
    digest: datasetDigest(manifest),
    split(name) {
      let split = opened.get(name);
      if (split === undefined) {
        split = readSplit(root, manifest, name);
        opened.set(name, split);
      }
      return split;
    },
  };
}

/**
 * Reads every file again and compares its sha256 with the manifest.
 *
 * @throws LockstepError DATA that names the first file whose content is not what was imported
 */
export async function verifyDataset(dataset: Dataset): Promise<void> {
  for (const name of splitNames) {
    const { images, labels } = dataset.manifest.splits[name];
    for (const { file, sha256 } of [images, labels]) {
      const hash = createHash('sha256');
      for await (const chunk of createReadStream(path.join(dataset.folder, file)))
        hash.update(chunk as Buffer);
      if (hash.digest('hex') !== sha256) {
        throw new LockstepError(
          'DATA',
          `${path.join(dataset.folder, file)} is not what was imported: its sha256 differs from ${manifestFile}.`,
          again,
        );
      }
    }
  }
}

const again = { hint: 'Import the dataset again (lockstep data import).' };

function readManifest(root: string): Manifest {
  const file = path.join(root, manifestFile);
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new LockstepError('DATA', `${root} is not a packed dataset: ${manifestFile} can't be read.`, {
      hint: 'Make one with: lockstep data import SOURCE --to DIR',
      cause,
    });
  }
  try {
    return parseManifest(text);
  } catch (cause) {
    throw new LockstepError('DATA', `${file} is not a dataset manifest of this version.`, {
      ...again,
      cause,
    });
  }
}

function checkSize(root: string, { file, bytes }: PackedFile, expected: number): void {
  const at = path.join(root, file);
  let size: number;
  try {
    size = statSync(at).size;
  } catch (cause) {
    throw new LockstepError('DATA', `${at} is missing.`, { ...again, cause });
  }
  if (bytes !== expected) {
    throw new LockstepError(
      'DATA',
      `${path.join(root, manifestFile)} contradicts itself: ${file} has ${bytes} bytes, its count asks for ${expected}.`,
      again,
    );
  }
  if (size !== expected) {
    const what = size < expected ? `is truncated at byte ${size}` : `is too long (${size} bytes)`;
    throw new LockstepError('DATA', `${at} ${what}; it should have ${expected} bytes.`, again);
  }
}

function readSplit(root: string, manifest: Manifest, name: SplitName): Split {
  const { count, images, labels } = manifest.splits[name];
  const split = { count, images: read(root, images), labels: read(root, labels) };
  const wrong = split.labels.findIndex((label) => label >= manifest.classes.length);
  if (wrong !== -1) {
    throw new LockstepError(
      'DATA',
      `${path.join(root, labels.file)}: label ${split.labels[wrong]} at byte ${wrong} is out of range 0 to ${manifest.classes.length - 1}.`,
      again,
    );
  }
  return split;
}

function read(root: string, { file, bytes }: PackedFile): Uint8Array {
  const at = path.join(root, file);
  let content: Buffer;
  try {
    content = readFileSync(at);
  } catch (cause) {
    throw new LockstepError('DATA', `${at} can't be read.`, { ...again, cause });
  }
  if (content.length !== bytes) {
    throw new LockstepError('DATA', `${at} changed while it was read.`, again);
  }
  return new Uint8Array(content.buffer, content.byteOffset, content.length);
}
