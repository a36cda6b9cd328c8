/** An encoder: parts one after the other, and the pool over all positions that ends it. */
import type { Tensor2D, Tensor4D } from '@tensorflow/tfjs-node-gpu';
import type { EncoderPartName } from './encoder-parts.js';
import { type Layer, type LayerTensors, sequence, tensorsOf } from './layers.js';
import { globalAverage } from './ops/pooling.js';
import type { Scope } from './scope.js';

export interface EncoderPart extends Layer<Tensor4D, Tensor4D> {
  readonly name: EncoderPartName;
}

export interface Encoder extends LayerTensors {
  readonly parts: readonly EncoderPart[];
  /** Width of the features. */
  readonly width: number;
  /** The first `count` parts: images [B,H,W,3] to activations [B,h,w,c]. */
  first(scope: Scope, images: Tensor4D, count: number): Tensor4D;
  /** What comes after the first `count` parts, and the pool: activations to features [B,width]. */
  rest(scope: Scope, activations: Tensor4D, count: number): Tensor2D;
}

export function encoderOf(
  parts: readonly EncoderPart[],
  width: number,
  pool: (activations: Tensor4D) => Tensor2D = globalAverage,
): Encoder {
  return {
    ...tensorsOf(parts),
    parts,
    width,
    first: (scope, images, count) => sequence(parts.slice(0, count)).apply(scope, images),
    rest: (scope, x, count) => pool(sequence(parts.slice(count)).apply(scope, x)),
  };
}
