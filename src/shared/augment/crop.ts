/** Crop and flip, done while the host copies an image anyway: both move whole pixels, so no bit depends on who does it. */
import type { AugmentConfig } from '../config/augment.js';
import { imageBytes, imageSide } from '../data/cifar.js';
import { drawShift, type Shift, type View } from './draw.js';

/** How the images of a batch are augmented. */
export interface AugmentOptions extends View {
  readonly augment: AugmentConfig;
}

/** Image `id` to its place in a batch [n,32,32,3], cropped and flipped unless `options` is null. */
export function copyImage(
  image: Uint8Array,
  id: number,
  position: number,
  images: Uint8Array,
  options: AugmentOptions | null,
): void {
  const out = images.subarray(position * imageBytes, (position + 1) * imageBytes);
  if (options === null) out.set(image);
  else cropInto(image, out, drawShift(id, options, options.augment), options.augment.fill);
}

/**
 * Crops, then flips left to right: out[y][x] = padded image[y + dy][(x or 31 − x) + dx]. Both are uint8 [32,32,3];
 * `out` is written completely.
 */
export function cropInto(
  image: Uint8Array,
  out: Uint8Array,
  shift: Shift,
  fill: AugmentConfig['fill'],
): void {
  if (fill === 'zero') cropPadded(image, out, shift);
  else cropBeyond(image, out, shift, fill);
}

function cropPadded(image: Uint8Array, out: Uint8Array, { dx, dy, flip }: Shift): void {
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

/** Where padding is not black but pixels of the image. */
function cropBeyond(
  image: Uint8Array,
  out: Uint8Array,
  { dx, dy, flip }: Shift,
  fill: 'reflect' | 'edge',
): void {
  const columns = new Uint8Array(imageSide);
  for (let x = 0; x < imageSide; x += 1) {
    columns[x] = 3 * inside((flip ? imageSide - 1 - x : x) + dx, fill);
  }
  let target = 0;
  for (let y = 0; y < imageSide; y += 1) {
    const from = inside(y + dy, fill) * rowBytes;
    for (let x = 0; x < imageSide; x += 1) {
      const source = from + columns[x]!;
      out[target] = image[source]!;
      out[target + 1] = image[source + 1]!;
      out[target + 2] = image[source + 2]!;
      target += 3;
    }
  }
}

/** The row or column that is seen at a place up to an image's side beyond the edge: d c b a | a b c d | d c b a. */
function inside(at: number, fill: 'reflect' | 'edge'): number {
  if (at < 0) return fill === 'edge' ? 0 : -1 - at;
  if (at >= imageSide) return fill === 'edge' ? imageSide - 1 : 2 * imageSide - 1 - at;
  return at;
}

const rowBytes = imageSide * 3;
