/** The part of an image that a random resized crop shows, drawn as torchvision's RandomResizedCrop.get_params does. */
import type { AugmentConfig } from '../config/augment.js';
import { power } from '../random/power.js';

/** In whole pixels, within the image. */
export interface CropBox {
  readonly top: number;
  readonly left: number;
  readonly height: number;
  readonly width: number;
}

const side = 32;
const attempts = 10;

/**
 * Draws area (uniform) and shape (log-uniform) until the box fits, ten times; after that the middle of the image, as
 * much of it as the shapes allow.
 * @param draw a number in [0, 1) for a purpose and an attempt
 */
export function drawCropBox(
  draw: (what: string, attempt: number) => number,
  { scale: [least, most], ratio: [narrowest, widest] }: NonNullable<AugmentConfig['resizedCrop']>,
): CropBox {
  for (let attempt = 0; attempt < attempts; attempt += 1) {
    const area = side * side * (least + draw('box-area', attempt) * (most - least));
    const ratio = narrowest * power(widest / narrowest, draw('box-ratio', attempt));
    const width = Math.round(Math.sqrt(area * ratio));
    const height = Math.round(Math.sqrt(area / ratio));
    if (width < 1 || height < 1 || width > side || height > side) continue;
    const within = (what: string, room: number) => Math.floor(draw(what, attempt) * (room + 1));
    return { top: within('box-top', side - height), left: within('box-left', side - width), height, width };
  }
  const width = narrowest > 1 ? side : Math.min(side, Math.round(side * widest));
  const height = widest < 1 ? side : Math.min(side, Math.round(side / narrowest));
  return { top: (side - height) >> 1, left: (side - width) >> 1, height, width };
}
