/** A fully connected layer: matrix product and bias. */
import type { Tensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs-node-gpu';
import type { Attributes } from '../../engine/graph.js';
import { ofFloats, raw, withGradient } from './raw.js';

/** x·kernel + bias: x [B,in], kernel [in,out], bias [out], to [B,out]. */
export function dense(x: Tensor2D, kernel: Tensor2D, bias: Tensor1D): Tensor2D {
  const y = raw<Tensor2D>('BiasAdd', [product(x, kernel), bias]);
  return withGradient(y, [x, kernel, bias], [x, kernel], (dy, x, kernel) => [
    product(dy, kernel!, { transpose_b: { kind: 'bool', value: true } }),
    product(x!, dy, { transpose_a: { kind: 'bool', value: true } }),
    raw('BiasAddGrad', [dy]),
  ]);
}

/** MatMul itself: tfjs's matMul wraps it in reshapes to three dimensions. */
export function product(a: Tensor, b: Tensor, transpositions: Attributes = {}): Tensor2D {
  return raw('MatMul', [a, b], { ...ofFloats, ...transpositions });
}
