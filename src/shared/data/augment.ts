/** Augmentation of one image on the host: a function of seed, epoch and sample id, whoever computes it. */
import { integerBelow, uniform } from '../random/keyed.js';
import { imageSide } from './cifar.js';

export interface AugmentOptions {
  readonly seed: number;
  /** Counted over the whole run. */
  readonly epoch: number;
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

export function augmentation(id: number, { seed, epoch, crop, flip }: AugmentOptions): Augmentation {
  const shift = (axis: string) => (crop === 0 ? 0 : integerBelow(2 * crop + 1, seed, axis, epoch, id) - crop);
  return { dx: shift('crop-x'), dy: shift('crop-y'), flip: flip && uniform(seed, 'flip', epoch, id) < 0.5 };
}

/** Crops, then flips left to right. Both are uint8 [32,32,3]; `out` is written completely. */
export function augmentInto(image: Uint8Array, out: Uint8Array, id: number, options: AugmentOptions): void {
  const { dx, dy, flip } = augmentation(id, options);
  for (let y = 0; y < imageSide; y += 1) {
    const fromY = y + dy;
    for (let x = 0; x < imageSide; x += 1) {
      const fromX = (flip ? imageSide - 1 - x : x) + dx;
      const inside = fromX >= 0 && fromX < imageSide && fromY >= 0 && fromY < imageSide;
      const to = (y * imageSide + x) * 3;
      const from = (fromY * imageSide + fromX) * 3;
      out[to] = inside ? image[from]! : 0;
      out[to + 1] = inside ? image[from + 1]! : 0;
      out[to + 2] = inside ? image[from + 2]! : 0;
    }
  }
}
