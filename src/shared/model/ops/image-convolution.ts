/** A convolution by fixed filters, for the first layer of a network: nothing is differentiated but the bias after it. */
import type { Tensor1D, Tensor4D } from '@tensorflow/tfjs-node-gpu';
import { ints, ofFloats, raw, withGradient } from './raw.js';

/** images [B,H,W,in] by kernel [h,w,in,out] without padding: [B,H−h+1,W−w+1,out]. No gradient flows through it. */
export function convolutionOfImages(images: Tensor4D, kernel: Tensor4D): Tensor4D {
  return raw('Conv2D', [images, kernel], {
    ...ofFloats,
    padding: { kind: 'string', value: 'VALID' },
    strides: ints(1, 1, 1, 1),
  });
}

/** x [B,H,W,C] + bias [C]. */
export function biased(x: Tensor4D, bias: Tensor1D): Tensor4D {
  return withGradient(raw<Tensor4D>('BiasAdd', [x, bias]), [x, bias], [], (dy) => [
    dy,
    raw('BiasAddGrad', [dy]),
  ]);
}
