/** How training images are changed: the part of the schema that `data.augment` and `stages[].augment` share. */
import { z } from 'zod';
import type { Frozen } from './frozen.js';

const probability = z.number().min(0).max(1);
const share = z.number().min(0).lt(1);
const strength = z.number().min(0);
const range = (bound: z.ZodNumber) => z.tuple([bound, bound]);

const resizedCrop = z.strictObject({
  scale: range(z.number().positive().max(1))
    .default([0.08, 1])
    .meta({ unit: 'share of the area' })
    .describe('The least and the most that a crop shows of the image.'),
  ratio: range(z.number().positive())
    .default([3 / 4, 4 / 3])
    .meta({ unit: 'width / height' })
    .describe('The narrowest and the widest shape of a crop, before it is resized to 32x32.'),
});

const colorJitter = z.strictObject({
  brightness: strength
    .default(0)
    .describe('Pixels are multiplied by 1 − b … 1 + b, at least 0. Clipped, as the others are.'),
  contrast: strength.default(0).describe("The same for differences from the mean of the image's luma."),
  saturation: strength.default(0).describe("The same for differences from a pixel's own luma."),
  hue: z
    .number()
    .min(0)
    .max(0.5)
    .default(0)
    .meta({ unit: 'turns' })
    .describe('Hues are turned by −h … h around the colour circle.'),
  probability: probability
    .default(1)
    .describe('The share of images that are changed at all; the four in a random order.'),
});

const stretch = z.strictObject({
  width: share.default(0).describe('Stretch to 1 − w … 1 + w times the width, about the middle.'),
  height: share.default(0).describe('Stretch to 1 − h … 1 + h times the height, drawn by itself.'),
});

export const augmentSchema = z.strictObject({
  crop: z
    .int()
    .min(0)
    .max(16)
    .default(4)
    .meta({ unit: 'pixels' })
    .describe('Padding on each side before a random 32x32 crop; 0 for no crop.'),
  flip: z
    .enum(['none', 'random', 'alternating'])
    .default('random')
    .describe(
      'Mirror left to right. `random`: half of the images. `alternating`: half of them in even epochs of the run, the other half in odd ones.',
    ),
  resizedCrop: resizedCrop
    .optional()
    .describe(
      "A random part of the image, resized to 32x32, as by torchvision's RandomResizedCrop; `{}` for its defaults.",
    ),
  rotation: z
    .number()
    .min(0)
    .max(0.5)
    .default(0)
    .meta({ unit: 'turns' })
    .describe("Rotate by −r … r about the middle, as by Keras's RandomRotation(r)."),
  zoom: share
    .default(0)
    .describe("Show 1 − z … 1 + z times as much, both ways alike, as by Keras's RandomZoom(z)."),
  stretch: stretch
    .prefault({})
    .describe("As by Keras's RandomWidth and RandomHeight, in a frame that stays 32x32."),
  fill: z
    .enum(['zero', 'reflect', 'edge'])
    .default('zero')
    .describe(
      'What lies beyond the edge of the image in crop, rotation, zoom and stretch: black, the image mirrored at its edge, or its outermost pixels.',
    ),
  colorJitter: colorJitter
    .optional()
    .describe("Change colours, as by torchvision's ColorJitter; leave it out for none."),
  grayscale: probability.default(0).describe('The share of images that lose their colours.'),
  cutout: z
    .int()
    .min(0)
    .max(32)
    .default(0)
    .meta({ unit: 'pixels' })
    .describe(
      'Side of a square that is painted over with the mean of `model.normalization`, its middle anywhere in the image; 0 for none.',
    ),
});

export type AugmentConfig = Frozen<z.output<typeof augmentSchema>>;

/** Whether an image may look another way than it is. */
export function changesImages(augment: AugmentConfig): boolean {
  const { crop, flip, resizedCrop, rotation, zoom, stretch, colorJitter, grayscale, cutout } = augment;
  const amounts = [crop, rotation, zoom, stretch.width, stretch.height, grayscale, cutout];
  return (
    flip !== 'none' ||
    resizedCrop !== undefined ||
    colorJitter !== undefined ||
    amounts.some((amount) => amount > 0)
  );
}
