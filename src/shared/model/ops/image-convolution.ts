/** A convolution by fixed filters, for the first layer of a network: nothing is differentiated. */
import type { Tensor4D } from '@tensorflow/tfjs-node-gpu';
import { ints, ofFloats, raw } from './raw.js';

/** images [B,H,W,in] by kernel [h,w,in,out] without padding: [B,H−h+1,W−w+1,out]. No gradient flows through it. */
export function convolutionOfImages(images: Tensor4D, kernel: Tensor4D): Tensor4D {
  return raw('Conv2D', [images, kernel], {
    ...ofFloats,
    padding: { kind: 'string', value: 'VALID' },
    strides: ints(1, 1, 1, 1),
  });
}
