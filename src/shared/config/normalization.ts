/** How pixels become network input: by a named preset, or by a mean and a standard deviation of one's own. */
import { z } from 'zod';
import type { Frozen } from './frozen.js';

type Channels = [number, number, number];

/** (pixel/255 − mean) / std, mean and std for red, green and blue; the network then gets the channels in `order`. */
export interface Normalization {
  mean: Channels;
  std: Channels;
  /** Without it red first. */
  order?: 'rgb' | 'bgr' | undefined;
}

const presetNames = ['cifar10', 'imagenet', 'caffe', 'tf'] as const;
export type NormalizationPreset = (typeof presetNames)[number];

/**
 * `cifar10`: the training images' own. `imagenet`: torchvision's and timm's. `caffe` and `tf`: the modes of Keras's
 * preprocess_input for ResNet50 (0…255 less the mean, blue first) and for ResNet50V2 (−1…1).
 */
export const normalizationPresets: Readonly<Record<NormalizationPreset, Normalization>> = {
  cifar10: { mean: [0.4914, 0.4822, 0.4465], std: [0.247, 0.2435, 0.2616] },
  imagenet: { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] },
  caffe: {
    mean: [123.68 / 255, 116.779 / 255, 103.939 / 255],
    std: [1 / 255, 1 / 255, 1 / 255],
    order: 'bgr',
  },
  tf: { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] },
};

/** The preset that these numbers are, if they are one. */
export function presetOf(numbers: Frozen<Normalization>): NormalizationPreset | undefined {
  const text = ({ mean, std, order = 'rgb' }: typeof numbers) => JSON.stringify([mean, std, order]);
  return presetNames.find((name) => text(normalizationPresets[name]) === text(numbers));
}

/** One number for each of red, green and blue. */
const channels = <T extends z.ZodType<number>>(each: T) => z.tuple([each, each, each]);

export const normalizationSchema = z.union([
  z.enum(presetNames).transform((name) => normalizationPresets[name]),
  z.strictObject({
    mean: channels(z.number())
      .default(normalizationPresets.cifar10.mean)
      .meta({ unit: 'pixel values in 0…1' })
      .describe("Subtracted from red, green and blue (the default is CIFAR-10's)."),
    std: channels(z.number().positive())
      .default(normalizationPresets.cifar10.std)
      .meta({ unit: 'pixel values in 0…1' })
      .describe("What they are then divided by (the default is CIFAR-10's)."),
    order: z
      .enum(['rgb', 'bgr'])
      .optional()
      .describe('In which order the network gets the channels; without it `rgb`.'),
  }),
]);
