/** From pixel values to network input. */
import type { Tensor4D } from '@tensorflow/tfjs-node-gpu';
import type { PixelAugmentation } from '../augment/pixels.js';
import type { ModelConfig } from '../config/schema.js';
import { tf } from '../engine/tensorflow.js';
import { ofFloats, raw } from './ops/raw.js';

/** What of a model's config says how images are prepared for it. */
export type InputConfig = Pick<ModelConfig, 'normalization' | 'inputSize'>;

/** Pixels 0…255 [n,h,w,3], red first, augmented where that is asked for, to network input [n,size,size,3]. */
export function networkInput(
  pixels: Tensor4D,
  { normalization, inputSize }: InputConfig,
  augmentation: PixelAugmentation = none,
): Tensor4D {
  const { mean, std, order } = normalization;
  const normalized = augmentation.normalized(normalize(augmentation.pixels(pixels), mean, std));
  const ordered = order === 'bgr' ? (tf.reverse(normalized, 3) as Tensor4D) : normalized;
  // Afterwards: the weights of an interpolation add up to 1, so it is the same, with fewer pixels to normalise.
  return inputSize === undefined ? ordered : resize(ordered, inputSize);
}

const none: PixelAugmentation = { pixels: (images) => images, normalized: (images) => images };

/** (x/255 − mean) / std for pixels 0…255 [n,h,w,3], as one multiplication and one addition. */
export function normalize(pixels: Tensor4D, mean: readonly number[], std: readonly number[]): Tensor4D {
  const scale = tf.tensor1d(std.map((s) => 1 / (255 * s)));
  const offset = tf.tensor1d(mean.map((m, i) => -m / std[i]!));
  return tf.add(tf.mul(pixels, scale), offset);
}

/**
 * Bilinear interpolation to [n,size,size,3] with half-pixel centres and without antialiasing: PyTorch's
 * interpolate(mode='bilinear', align_corners=False), Keras's Resizing and tf.image.resize. It has no gradient.
 */
export function resize(images: Tensor4D, size: number): Tensor4D {
  return raw('ResizeBilinear', [images, tf.tensor1d([size, size], 'int32')], {
    ...ofFloats,
    align_corners: { kind: 'bool', value: false },
    half_pixel_centers: { kind: 'bool', value: true },
  });
}
