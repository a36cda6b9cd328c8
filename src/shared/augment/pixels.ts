/** Augmentation in the graph, at the beginning of the forward pass: pixels in, pixels out. Only what the config asks for. */
import type { Tensor, Tensor2D, Tensor4D } from '@tensorflow/tfjs-node-gpu';
import type { AugmentConfig } from '../config/augment.js';
import { tf } from '../engine/tensorflow.js';
import { blend, grayscale, turnHue } from './color.js';
import { cutout } from './cutout.js';
import { blendSlots, parameterInputs, turnsHue, warps } from './parameters.js';
import { resizedCrop } from './resized-crop.js';
import { warp } from './warp.js';

/** One of the graph's inputs, float32. */
export type DeclareInput = (name: string, shape: readonly number[]) => Tensor;

export interface PixelAugmentation {
  /** Before normalisation: pixels 0…255, float32 [n,32,32,3]. */
  readonly pixels: (images: Tensor4D) => Tensor4D;
  /** After it. */
  readonly normalized: (images: Tensor4D) => Tensor4D;
}

/** Declares the inputs that `parameters` gives values for. */
export function pixelAugmentation(
  config: AugmentConfig,
  count: number,
  declare: DeclareInput,
): PixelAugmentation {
  const inputs = new Map(
    parameterInputs(config).map(({ name, width }) => [name, declare(name, [count, width]) as Tensor2D]),
  );
  const given = (name: string): Tensor2D => inputs.get(name)!;
  return {
    pixels: (images) => {
      let x = images;
      if (config.resizedCrop !== undefined) x = resizedCrop(x, given('augment-box'));
      if (warps(config)) x = warp(x, given('augment-warp'), config.fill);
      x = jittered(x, config, given);
      if (config.grayscale > 0) x = grayscale(x, given('augment-grayscale'));
      return x;
    },
    normalized: (images) =>
      config.cutout > 0 ? cutout(images, given('augment-cutout'), config.cutout) : images,
  };
}

function jittered(images: Tensor4D, config: AugmentConfig, given: (name: string) => Tensor2D): Tensor4D {
  const slots = blendSlots(config);
  const terms = {
    luma: (config.colorJitter?.saturation ?? 0) > 0,
    mean: (config.colorJitter?.contrast ?? 0) > 0,
  };
  const hue = turnsHue(config);
  const passes = hue ? 2 * slots : slots;
  const weights = slots === 0 ? [] : (tf.split(given('augment-blend'), passes, 1) as Tensor2D[]);
  let x = images;
  for (const one of weights.slice(0, slots)) x = blend(x, one, terms);
  if (hue) x = turnHue(x, given('augment-hue'));
  for (const one of weights.slice(slots)) x = blend(x, one, terms);
  return x;
}
