/**
 * Imports CIFAR-10 as JPEGs, `train|test/<class>/<index>.jpg`: index counts the images of its class in the original
 * order, so a list of labels in that order tells where each image belongs.
 */
import { LockstepError } from '../errors.js';
import type { Entry } from './archive.js';
import { classes, imageBytes, imageSide, type SplitName } from './cifar.js';
import { decodeJpeg } from './jpeg.js';
import type { Labels } from './label-file.js';
import type { Imported, ImportedSplit } from './packed.js';

const pattern = /(?:^|\/)(train|test)\/([^/]+)\/(\d{1,6})\.jpe?g$/i;

/** Is it an image, in whatever folder? */
export function isJpeg(path: string): boolean {
  return /\.jpe?g$/i.test(path);
}

export class JpegImport {
  /** Per split and class: where image `index` lies in the pile. */
  readonly #found: Readonly<Record<SplitName, number[][]>> = {
    train: classes.map(() => []),
    test: classes.map(() => []),
  };
  /** The decoded images in the order they came. */
  readonly #pile: Uint8Array[] = [];

  /** @param labels in the original order; without them the order is index by index, class by class */
  constructor(
    private readonly source: string,
    private readonly labels?: Labels,
  ) {}

  /** Images so far. */
  get count(): number {
    return this.#pile.length;
  }

  /** Images to come, where it is known. */
  get total(): number | undefined {
    return this.labels && this.labels.train.length + this.labels.test.length;
  }

  /** @throws LockstepError DATA when the file is not where it should be, not a sound JPEG, or not 32x32 */
  async accept({ path, bytes, where }: Entry): Promise<void> {
    const [, split, className, digits] = pattern.exec(path) ?? [];
    if (split === undefined) {
      throw new LockstepError('DATA', `${where}: images must lie at train|test/<class>/<index>.jpg.`);
    }
    const label = (classes as readonly string[]).indexOf(className!);
    if (label === -1) {
      throw new LockstepError('DATA', `${where}: "${className}" is no CIFAR-10 class.`, {
        hint: `The classes are ${classes.join(', ')}.`,
      });
    }
    const index = Number(digits);
    const images = this.#found[split.toLowerCase() as SplitName][label]!;
    if (images[index] !== undefined) {
      throw new LockstepError('DATA', `${where}: a second image ${index} of ${split}/${className}.`);
    }
    images[index] = this.#pile.length;
    this.#pile.push(await decodeJpeg(bytes, imageSide, where));
  }

  /** @throws LockstepError DATA when a class folder or an image is missing, or folders and labels disagree */
  finish(): Imported {
    return { kind: 'jpeg', splits: { train: this.#split('train'), test: this.#split('test') } };
  }

  #split(split: SplitName): ImportedSplit {
    const found = this.#found[split];
    this.#checkComplete(split);
    const labels = this.labels?.[split] ?? balancedOrder(found.map((images) => images.length));
    this.#checkLabels(split, labels);
    const next = classes.map(() => 0);
    const order = Array.from(labels, (label) => found[label]![next[label]!++]!);
    return { count: labels.length, images: gathered(this.#pile, order), labels };
  }

  #checkComplete(split: SplitName): void {
    for (const [label, name] of classes.entries()) {
      const images = this.#found[split][label]!;
      if (images.length === 0) {
        throw new LockstepError('DATA', `${this.source}: class folder ${split}/${name} is missing or empty.`);
      }
      let hole = 0;
      while (images[hole] !== undefined) hole++;
      if (hole < images.length) {
        throw new LockstepError(
          'DATA',
          `${this.source}: image ${hole} of ${split}/${name} is missing, though image ${images.length - 1} is there.`,
        );
      }
    }
  }

  #checkLabels(split: SplitName, labels: Uint8Array): void {
    for (const [label, name] of classes.entries()) {
      const listed = labels.reduce((count, value) => count + (value === label ? 1 : 0), 0);
      const there = this.#found[split][label]!.length;
      if (listed !== there) {
        throw new LockstepError(
          'DATA',
          `${split}-labels.txt lists ${listed} images of class ${label} (${name}), ${this.source} has ${there}.`,
          {
            hint: 'Labels and images must be of the same data set; without label files the class folders count.',
          },
        );
      }
    }
  }
}

/** Labels 0 to 9, again and again, as long as images are left: any beginning of the split is about balanced. */
function balancedOrder(counts: readonly number[]): Uint8Array {
  const labels: number[] = [];
  for (let index = 0; index < Math.max(...counts); index++) {
    for (const [label, count] of counts.entries()) if (index < count) labels.push(label);
  }
  return Uint8Array.from(labels);
}

function* gathered(pile: readonly Uint8Array[], order: readonly number[]): Generator<Uint8Array> {
  const piece = new Uint8Array(1000 * imageBytes);
  for (let start = 0; start < order.length; start += 1000) {
    const part = order.slice(start, start + 1000);
    for (const [i, image] of part.entries()) piece.set(pile[image]!, i * imageBytes);
    yield piece.subarray(0, part.length * imageBytes);
  }
}
