/** Small sources for the data tests: official binary files with made-up pixels, and JPEGs out of the embedded sample. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { readEntries } from '../src/shared/data/archive.js';
import { classes } from '../src/shared/data/cifar.js';
import { packageRoot } from '../src/shared/package-root.js';

export const sampleArchive = path.join(packageRoot, 'data', 'sample', 'cifar10-sample.tar.xz');

/** Records in each of the made-up binary files. */
export const records = 12;

/** Value of a made-up image: another one for each file, record, channel and pixel. */
export function pixelValue(file: number, record: number, channel: number, pixel: number): number {
  return (file * 41 + record * 17 + channel * 101 + pixel * 7 + (pixel >> 5) * 3) % 256;
}

export function labelOf(file: number, record: number): number {
  return (file * 3 + record * 7) % 10;
}

export const batchNames = [1, 2, 3, 4, 5].map((n) => `data_batch_${n}.bin`).concat('test_batch.bin');

/** One official file of 3,073-byte records. */
export function binaryBatch(file: number, count = records): Buffer {
  const bytes = Buffer.alloc(count * 3073);
  for (let record = 0; record < count; record++) {
    const at = record * 3073;
    bytes[at] = labelOf(file, record);
    for (let i = 0; i < 3072; i++) {
      bytes[at + 1 + i] = pixelValue(file, record, Math.floor(i / 1024), i % 1024);
    }
  }
  return bytes;
}

/** cifar-10-batches-bin/ under `folder`, with a text file as in the official archive. */
export function writeBinary(folder: string): string {
  const inner = path.join(folder, 'cifar-10-batches-bin');
  mkdirSync(inner, { recursive: true });
  for (const [file, name] of batchNames.entries()) writeFileSync(path.join(inner, name), binaryBatch(file));
  writeFileSync(path.join(inner, 'batches.meta.txt'), `${classes.join('\n')}\n`);
  return folder;
}

let jpegs: Map<string, Uint8Array> | undefined;

/** `train|test/<class>/<index>.jpg` under `folder`: 3 training and 2 test images of each class of the embedded sample. */
export async function writeJpegs(folder: string): Promise<string> {
  if (jpegs === undefined) {
    jpegs = new Map();
    const wanted = (name: string) =>
      /^train\/.*\/000[0-2]\.jpg$/.test(name) || /^test\/.*\/000[01]\.jpg$/.test(name);
    for await (const { path: name, bytes } of readEntries(sampleArchive, { wanted })) jpegs.set(name, bytes);
  }
  for (const [name, bytes] of jpegs) {
    mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    writeFileSync(path.join(folder, name), bytes);
  }
  return folder;
}

/** A sound JPEG of 16x8 pixels, made by Pillow. */
export const wideJpeg = Buffer.from(
  '/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAFA3PEY8MlBGQUZaVVBfeMiCeG5uePWvuZHI////////////////////////////////////////////' +
    '////////wAALCAAIABABAREA/8QAFQABAQAAAAAAAAAAAAAAAAAAAAL/xAAUEAEAAAAAAAAAAAAAAAAAAAAA/9oACAEBAAA/AIH/2Q==',
  'base64',
);
