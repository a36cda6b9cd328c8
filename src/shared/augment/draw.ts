/** What augmentation does to one image: drawn by key, so that it is the same whoever computes it, and when. */
import type { AugmentConfig } from '../config/augment.js';
import { integerBelow, type Key, uniform } from '../random/keyed.js';
import { type CropBox, drawCropBox } from './crop-box.js';

/** What one look at an image depends on, beside the image's id. */
export interface View {
  readonly seed: number;
  /** Counted over the whole run. */
  readonly epoch: number;
  /** 0 for the first or only one. */
  readonly view: number;
}

/** The part that moves whole pixels. */
export interface Shift {
  /** Where the 32x32 crop begins in the unpadded image: −crop … crop. */
  readonly dx: number;
  readonly dy: number;
  /** After the crop. */
  readonly flip: boolean;
}

export type JitterName = 'brightness' | 'contrast' | 'saturation' | 'hue';

/** A turn of hues in turns, and factors for the other three; whatever the config leaves out changes nothing. */
export interface ColorJitter extends Readonly<Record<JitterName, number>> {
  /** First to last. */
  readonly order: readonly JitterName[];
}

/** In the order in which it is done; what the config leaves out changes nothing. */
export interface Augmentation extends Shift {
  /** Null: the whole image. */
  readonly box: CropBox | null;
  /** Counter-clockwise, in turns. */
  readonly rotation: number;
  /** How many times as much is seen, both ways alike. */
  readonly zoom: number;
  /** How many times as wide and as high everything becomes. */
  readonly stretch: { readonly width: number; readonly height: number };
  /** Null: colours stay. */
  readonly colorJitter: ColorJitter | null;
  readonly grayscale: boolean;
  /** Top left pixel of the square that is cut out; it may lie outside of the image. */
  readonly cutout: { readonly top: number; readonly left: number } | null;
}

/**
 * What happens to sample `id`. The first view has the keys that it had before there were others, so that a run with
 * one view is what it was.
 */
export function drawAugmentation(id: number, view: View, config: AugmentConfig): Augmentation {
  const key = keyOf(id, view);
  const draw = (what: string): number => uniform(view.seed, what, ...key);
  /** Uniform in centre − reach … centre + reach. */
  const around = (centre: number, reach: number, what: string): number =>
    reach === 0 ? centre : centre + (2 * draw(what) - 1) * reach;
  const { resizedCrop, stretch, colorJitter, cutout } = config;
  const middle = (axis: string): number => integerBelow(side, view.seed, axis, ...key);
  return {
    ...drawShift(id, view, config),
    box:
      resizedCrop === undefined
        ? null
        : drawCropBox((what, attempt) => uniform(view.seed, what, attempt, ...key), resizedCrop),
    rotation: around(0, config.rotation, 'rotation'),
    zoom: around(1, config.zoom, 'zoom'),
    stretch: {
      width: around(1, stretch.width, 'stretch-width'),
      height: around(1, stretch.height, 'stretch-height'),
    },
    colorJitter:
      colorJitter === undefined || draw('jitter') >= colorJitter.probability
        ? null
        : drawJitter(draw, colorJitter),
    grayscale: config.grayscale > 0 && draw('grayscale') < config.grayscale,
    cutout:
      cutout === 0
        ? null
        : { top: middle('cutout-y') - (cutout >> 1), left: middle('cutout-x') - (cutout >> 1) },
  };
}

/** Crop and flip alone: what the host does. Offsets are uniform. */
export function drawShift(id: number, view: View, { crop, flip }: AugmentConfig): Shift {
  const { seed, epoch } = view;
  const key = keyOf(id, view);
  const offset = (axis: string) => (crop === 0 ? 0 : integerBelow(2 * crop + 1, seed, axis, ...key) - crop);
  return { dx: offset('crop-x'), dy: offset('crop-y'), flip: flips() };

  function flips(): boolean {
    if (flip === 'none') return false;
    if (flip === 'random') return uniform(seed, 'flip', ...key) < 0.5;
    // As in airbench: the same coin in every epoch, turned over in odd ones.
    const coin = uniform(seed, 'flip', ...keyOf(id, { ...view, epoch: 0 })) < 0.5;
    return coin === (epoch % 2 === 0);
  }
}

const side = 32;

function keyOf(id: number, { epoch, view }: View): Key {
  return view === 0 ? [epoch, id] : [epoch, id, view];
}

/** Factors as torchvision draws them, in one of the orders of four, each as likely. */
function drawJitter(
  draw: (what: string) => number,
  { brightness, contrast, saturation, hue }: NonNullable<AugmentConfig['colorJitter']>,
): ColorJitter {
  const factor = (strength: number, what: string): number => {
    if (strength === 0) return 1;
    const least = Math.max(0, 1 - strength);
    return least + draw(what) * (1 + strength - least);
  };
  return {
    brightness: factor(brightness, 'brightness'),
    contrast: factor(contrast, 'contrast'),
    saturation: factor(saturation, 'saturation'),
    hue: hue === 0 ? 0 : (2 * draw('hue') - 1) * hue,
    order: orders[Math.floor(draw('jitter-order') * orders.length)]!,
  };
}

/** Every order of some things. */
function permutations<T>(things: readonly T[]): readonly (readonly T[])[] {
  if (things.length === 0) return [[]];
  return things.flatMap((first) =>
    permutations(things.filter((thing) => thing !== first)).map((rest) => [first, ...rest]),
  );
}

const orders = permutations<JitterName>(['brightness', 'contrast', 'saturation', 'hue']);
