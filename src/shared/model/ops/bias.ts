/** A bias for each channel, added to every position. */
import type { Tensor1D, Tensor4D } from '@tensorflow/tfjs-node-gpu';
import { raw, withGradient } from './raw.js';

/** x [B,H,W,C] + bias [C]. */
export function biased(x: Tensor4D, bias: Tensor1D): Tensor4D {
  const y = raw<Tensor4D>('BiasAdd', [x, bias]);
  return withGradient(y, [x, bias], [], (dy) => [dy, raw('BiasAddGrad', [dy])]);
}
