/** Augmentation of one image on the host: a function of seed, epoch and sample id, whoever computes it. */
import { integerBelow, uniform } from '../random/keyed.js';
import { imageBytes, imageSide } from './cifar.js';

export interface AugmentOptions {
  readonly seed: number;
  /** Counted over the whole run. */
  readonly epoch: number;
  /** Of an image that a step sees several times; default 0. */
  readonly view?: number;
  /** Zero padding on each side before a random 32x32 crop, in pixels. */
  readonly crop: number;
  readonly flip: boolean;
}

export interface Augmentation {
  /** Where the crop begins in the unpadded image: −crop … crop. */
  readonly dx: number;
  readonly dy: number;
  readonly flip: boolean;
}

/** The crop and the flip of sample `id` in an epoch. Offsets are uniform, half of the images are flipped. */
export function augmentation(
  id: number,
  { seed, epoch, view = 0, crop, flip }: AugmentOptions,
): Augmentation {
  const key = view === 0 ? [epoch, id] : [epoch, id, view];
  const shift = (axis: string) => (crop === 0 ? 0 : integerBelow(2 * crop + 1, seed, axis, ...key) - crop);
  return { dx: shift('crop-x'), dy: shift('crop-y'), flip: flip && uniform(seed, 'flip', ...key) < 0.5 };
}

/** Crops, then flips left to right. Both are uint8 [32,32,3]; `out` is written completely. */
export function augmentInto(image: Uint8Array, out: Uint8Array, id: number, options: AugmentOptions): void {
  cropInto(image, out, augmentation(id, options));
}

/** Image `id` to its place in a batch [n,32,32,3], augmented unless `augment` is null. */
export function copyImage(
  image: Uint8Array,
  id: number,
  position: number,
  images: Uint8Array,
  augment: AugmentOptions | null,
): void {
  const out = images.subarray(position * imageBytes, (position + 1) * imageBytes);
  if (augment === null) out.set(image);
  else augmentInto(image, out, id, augment);
}

/** What `augmentInto` does once the offsets are known: out[y][x] = padded image[y + dy][(x or 31 − x) + dx]. */
export function cropInto(image: Uint8Array, out: Uint8Array, { dx, dy, flip }: Augmentation): void {
  if (dx !== 0 || dy !== 0) out.fill(0);
  // The columns and rows of the image that the crop shows.
  const left = Math.max(0, dx);
  const right = Math.min(imageSide, imageSide + dx);
  const top = Math.max(0, dy);
  const bottom = Math.min(imageSide, imageSide + dy);
  if (left >= right) return;
  for (let row = top; row < bottom; row += 1) {
    const from = row * rowBytes;
    const to = (row - dy) * rowBytes;
    if (flip) {
      for (let column = left; column < right; column += 1) {
        const source = from + column * 3;
        const target = to + (imageSide - 1 - (column - dx)) * 3;
        out[target] = image[source]!;
        out[target + 1] = image[source + 1]!;
        out[target + 2] = image[source + 2]!;
      }
    } else {
      out.set(image.subarray(from + left * 3, from + right * 3), to + (left - dx) * 3);
    }
  }
}

const rowBytes = imageSide * 3;
