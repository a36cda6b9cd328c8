/** Reads a label file: one digit per image in the original order of the split, white space ignored. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { LockstepError } from '../errors.js';
import { classes, type SplitName } from './cifar.js';

export type Labels = Readonly<Record<SplitName, Uint8Array>>;

/**
 * `train-labels.txt` and `test-labels.txt` of `folder`, or undefined when neither is there.
 *
 * @throws LockstepError DATA when only one is there, or one holds something else than digits; names file and offset
 */
export async function readLabels(folder: string): Promise<Labels | undefined> {
  const train = await readLabelFile(path.join(folder, 'train-labels.txt'));
  const test = await readLabelFile(path.join(folder, 'test-labels.txt'));
  if (train === undefined && test === undefined) return undefined;
  if (train === undefined || test === undefined) {
    const missing = train === undefined ? 'train' : 'test';
    throw new LockstepError(
      'DATA',
      `${folder}: ${missing}-labels.txt is missing, its counterpart is there.`,
      {
        hint: 'Put both there, or neither: then the class folders are the labels.',
      },
    );
  }
  return { train, test };
}

async function readLabelFile(file: string): Promise<Uint8Array | undefined> {
  let text: Buffer;
  try {
    text = await readFile(file);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new LockstepError('DATA', `${file} can't be read.`, { cause });
  }
  const labels = new Uint8Array(text.length);
  let count = 0;
  for (const [offset, code] of text.entries()) {
    if (code === 0x20 || (code >= 0x09 && code <= 0x0d)) continue;
    const label = code - 0x30;
    if (label < 0 || label >= classes.length) {
      throw new LockstepError(
        'DATA',
        `${file}: byte ${offset} is ${JSON.stringify(String.fromCharCode(code))}, not a label 0 to ${classes.length - 1}.`,
      );
    }
    labels[count++] = label;
  }
  return labels.subarray(0, count);
}
