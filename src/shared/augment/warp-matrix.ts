/** Rotation, zoom and stretch of an image as one affine map, from the place of a pixel to where it is taken from. */
import { cosinePi } from '../plan/cosine.js';
import type { Augmentation } from './draw.js';

const middle = 31 / 2;

/**
 * The eight numbers a of TensorFlow's ImageProjectiveTransformV3: pixel (x, y) is taken from
 * (a₀x + a₁y + a₂, a₃x + a₄y + a₅); the last two are 0. The middle of the image stays where it is. As Keras's layers
 * one after the other: rotation, then zoom, then stretch.
 */
export function affineMap({ rotation, zoom, stretch }: Augmentation): readonly number[] {
  // cos 2πr and sin 2πr = cos(2πr − π/2), for −½ ≤ r ≤ ½.
  const cosine = cosinePi(Math.abs(2 * rotation));
  const sine = Math.sign(rotation) * cosinePi(Math.abs(Math.abs(2 * rotation) - 0.5));
  const x = zoom / stretch.width;
  const y = zoom / stretch.height;
  const [a, b, c, d] = [cosine * x, -sine * y, sine * x, cosine * y];
  return [a, b, middle - (a + b) * middle, c, d, middle - (c + d) * middle, 0, 0];
}
