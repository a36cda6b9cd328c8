/** Imports the official CIFAR-10 binary layout: six files of 3,073-byte records, a label and then R, G and B planes. */
import { LockstepError } from '../errors.js';
import type { Entry } from './archive.js';
import { classes, imageBytes } from './cifar.js';
import type { Imported, ImportedSplit } from './packed.js';

/** Bytes of a record: label (uint8), then 32 x 32 red, green and blue values (CHW). */
export const recordBytes = 1 + imageBytes;
/** Records in each of the six official files. */
export const officialRecords = 10_000;

const trainFiles = [1, 2, 3, 4, 5].map((n) => `data_batch_${n}.bin`);
const testFile = 'test_batch.bin';
const planeBytes = imageBytes / 3;

/** Is it one of the six files, in whatever folder? */
export function isBinaryBatch(path: string): boolean {
  return /(^|\/)(data_batch_[1-5]|test_batch)\.bin$/.test(path);
}

export class BinaryImport {
  readonly #batches = new Map<string, Uint8Array>();

  /** @param records expected in each file */
  constructor(
    private readonly source: string,
    private readonly records: number = officialRecords,
  ) {}

  /** Images so far. */
  get count(): number {
    return this.#batches.size * this.records;
  }

  /** @throws LockstepError DATA when the file has a wrong size or a label out of range, with the offset */
  accept({ path, bytes, where }: Entry): void {
    const name = path.slice(path.lastIndexOf('/') + 1);
    if (this.#batches.has(name)) {
      throw new LockstepError('DATA', `${where}: a second ${name} in ${this.source}.`);
    }
    const whole = this.records * recordBytes;
    if (bytes.length !== whole) {
      const found = Math.floor(bytes.length / recordBytes);
      const rest = bytes.length % recordBytes;
      const cut = rest === 0 ? '' : ` and ${rest} bytes of a cut one at offset ${found * recordBytes}`;
      throw new LockstepError(
        'DATA',
        `${where}: ${found} records of ${recordBytes} bytes${cut}; there should be ${this.records} (${whole} bytes).`,
        { hint: 'Get the file again.' },
      );
    }
    for (let at = 0; at < whole; at += recordBytes) {
      if (bytes[at]! >= classes.length) {
        throw new LockstepError(
          'DATA',
          `${where}: label ${bytes[at]} at offset ${at} (record ${at / recordBytes}) is out of range 0 to ${classes.length - 1}.`,
          { hint: 'Is it CIFAR-10 in the binary version?' },
        );
      }
    }
    this.#batches.set(name, bytes);
  }

  /** @throws LockstepError DATA when one of the six files is missing */
  finish(): Imported {
    for (const name of [...trainFiles, testFile]) {
      if (!this.#batches.has(name)) {
        throw new LockstepError('DATA', `${this.source}: ${name} is missing.`, {
          hint: `The binary version has ${trainFiles.length} data_batch files and ${testFile}.`,
        });
      }
    }
    return { kind: 'binary', splits: { train: this.#split(trainFiles), test: this.#split([testFile]) } };
  }

  #split(files: readonly string[]): ImportedSplit {
    const batches = files.map((name) => this.#batches.get(name)!);
    const labels = new Uint8Array(this.records * files.length);
    let n = 0;
    for (const batch of batches) {
      for (let at = 0; at < batch.length; at += recordBytes) labels[n++] = batch[at]!;
    }
    return { count: labels.length, images: interleaved(batches), labels };
  }
}

function* interleaved(batches: readonly Uint8Array[]): Generator<Uint8Array> {
  for (const batch of batches) {
    const images = new Uint8Array((batch.length / recordBytes) * imageBytes);
    let to = 0;
    for (let record = 0; record < batch.length; record += recordBytes) {
      const red = record + 1;
      for (let pixel = 0; pixel < planeBytes; pixel++) {
        images[to++] = batch[red + pixel]!;
        images[to++] = batch[red + planeBytes + pixel]!;
        images[to++] = batch[red + 2 * planeBytes + pixel]!;
      }
    }
    yield images;
  }
}
