/** Colours of pixels 0…255: brightness, contrast, saturation and hue as torchvision defines them, and grayscale. */
import type { Tensor, Tensor2D, Tensor4D } from '@tensorflow/tfjs-node-gpu';
import { tf } from '../engine/tensorflow.js';
import { raw } from '../model/ops/raw.js';

/** Of red, green and blue in luma: ITU-R BT.601, as torchvision has them. */
const luma = [0.2989, 0.587, 0.114] as const;
const white = 255;

/** Which terms of `blend` are ever needed. */
export interface BlendTerms {
  readonly luma: boolean;
  readonly mean: boolean;
}

/**
 * factor·pixel + a·luma + b·(the image's mean luma), clipped.
 * @param images [n,h,w,3]
 * @param weights [n,3]: factor, a, b
 */
export function blend(images: Tensor4D, weights: Tensor2D, terms: BlendTerms): Tensor4D {
  const [factor, a, b] = tf.split(tf.reshape(weights, [-1, 1, 1, 3]), 3, 3) as Tensor4D[];
  let mixed: Tensor = tf.mul(images, factor!);
  if (terms.luma || terms.mean) {
    const gray = lumaOf(images);
    if (terms.luma) mixed = tf.add(mixed, tf.mul(gray, a!));
    if (terms.mean) mixed = tf.add(mixed, tf.mul(tf.mean(gray, [1, 2], true), b!));
  }
  return tf.clipByValue(mixed, 0, white) as Tensor4D;
}

/**
 * Turns the hue of each image's pixels.
 * @param turns [n,1], −½ … ½
 */
export function turnHue(images: Tensor4D, turns: Tensor2D): Tensor4D {
  const hsv = raw<Tensor4D>('RGBToHSV', [images]);
  const onlyHue = tf.tensor1d([1, 0, 0]);
  const turned = tf.add(hsv, tf.mul(tf.reshape(turns, [-1, 1, 1, 1]), onlyHue));
  return raw('HSVToRGB', [tf.sub(turned, tf.mul(tf.floor(turned), onlyHue))]);
}

/**
 * Each image's luma in all three channels, where `which` is 1; the image itself where it is 0.
 * @param which [n,1]
 */
export function grayscale(images: Tensor4D, which: Tensor2D): Tensor4D {
  const gray = tf.reshape(which, [-1, 1, 1, 1]);
  return tf.add(tf.mul(images, tf.sub(1, gray)), tf.mul(lumaOf(images), gray));
}

/** [n,h,w,1] */
function lumaOf(images: Tensor4D): Tensor {
  const [red, green, blue] = tf.split(images, 3, 3);
  return tf.add(tf.add(tf.mul(red!, luma[0]), tf.mul(green!, luma[1])), tf.mul(blue!, luma[2]));
}
