/** Imports CIFAR-10 from what the user has (official binary files or JPEGs, folder or archive) into a packed folder. */
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { LockstepError } from '../errors.js';
import { readEntries } from './archive.js';
import { BinaryImport, isBinaryBatch } from './binary-import.js';
import { type Dataset, openDataset } from './dataset.js';
import { isJpeg, JpegImport } from './jpeg-import.js';
import { readLabels } from './label-file.js';
import { type Imported, refuseForeignFolder, writePacked } from './packed.js';
import type { OnProgress } from './progress.js';

export interface ImportOptions {
  /** The packed folder to make. */
  readonly to: string;
  /** Goes into the manifest. Default: the name of the folder. */
  readonly name?: string;
  /** Folder of train-labels.txt and test-labels.txt, for JPEGs. Default: where the source lies. */
  readonly labels?: string;
  /** A dataset that is already there is replaced (default) or kept. */
  readonly existing?: 'replace' | 'keep';
  readonly onProgress?: OnProgress;
  /** Records in each official binary file. Default 10,000; tests use less. */
  readonly recordsPerFile?: number;
}

/**
 * Reads all of `source`, checks it, and only then writes. A failure leaves nothing behind.
 *
 * @param source folder or .tar, .tar.gz, .tar.xz
 * @throws LockstepError DATA that names the file or archive entry and the offset
 */
export async function importDataset(source: string, options: ImportOptions): Promise<Dataset> {
  refuseForeignFolder(options.to);
  const imported = await readSource(source, options);
  const total = imported.splits.train.count + imported.splits.test.count;
  await writePacked(options.to, imported, {
    name: options.name ?? path.basename(path.resolve(options.to)),
    source: path.resolve(source),
    existing: options.existing ?? 'replace',
    onImages: (done) => options.onProgress?.({ doing: 'writing', done, total, unit: 'images' }),
  });
  return openDataset(options.to);
}

async function readSource(source: string, options: ImportOptions): Promise<Imported> {
  let importer: BinaryImport | JpegImport | undefined;
  const seen = { python: false };
  const wanted = (name: string) => {
    seen.python ||= /(^|\/)data_batch_1$/.test(name);
    return isBinaryBatch(name) || isJpeg(name);
  };
  let read = { done: 0, total: 0 };
  const onRead = (done: number, total: number) => {
    read = { done, total };
  };
  for await (const entry of readEntries(source, { wanted, onRead })) {
    if (isJpeg(entry.path)) {
      importer ??= new JpegImport(source, await findLabels(source, options.labels));
      if (!(importer instanceof JpegImport)) throw mixed(source);
      await importer.accept(entry);
    } else {
      importer ??= new BinaryImport(source, options.recordsPerFile);
      if (!(importer instanceof BinaryImport)) throw mixed(source);
      importer.accept(entry);
    }
    const total = importer instanceof JpegImport ? importer.total : undefined;
    options.onProgress?.({
      doing: 'reading',
      done: importer.count,
      // Where the number of images isn't known, the share of the source that was read tells it about.
      total: total ?? Math.round((importer.count * read.total) / Math.max(1, read.done)),
      unit: 'images',
    });
  }
  if (importer === undefined) {
    throw new LockstepError('DATA', `${source} holds neither CIFAR-10's binary files nor JPEGs.`, {
      hint: seen.python
        ? 'This is the Python version; Lockstep reads the binary version, cifar-10-binary.tar.gz.'
        : 'Expected data_batch_1.bin … test_batch.bin, or train|test/<class>/<index>.jpg.',
    });
  }
  return importer.finish();
}

async function findLabels(source: string, folder: string | undefined) {
  if (folder === undefined) {
    const isFolder = (await stat(source)).isDirectory();
    return await readLabels(isFolder ? source : path.dirname(source));
  }
  const labels = await readLabels(folder);
  if (labels === undefined) {
    throw new LockstepError('DATA', `${folder} has no train-labels.txt and test-labels.txt.`, {
      hint: 'Leave --labels out to take the class folders as labels.',
    });
  }
  return labels;
}

function mixed(source: string): LockstepError {
  return new LockstepError('DATA', `${source} holds binary files and JPEGs.`, {
    hint: 'Import a folder with one of them.',
  });
}
