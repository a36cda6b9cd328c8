/** ReLU and residual sums, with and without one, with a gradient of one operation (tfjs's own takes six). */
import type { Tensor, Tensor4D } from '@tensorflow/tfjs-node-gpu';
import { raw, withGradient } from './raw.js';

/** max(x, 0); the gradient at 0 is 0. */
export function relu<T extends Tensor>(x: T): T {
  const y = raw<T>('Relu', [x]);
  return withGradient(y, [x], [y], (dy, y) => [raw('ReluGrad', [dy, y!])]);
}

/** max(a + b, 0) for two tensors of one shape. */
export function addRelu<T extends Tensor>(a: T, b: T): T {
  const y = raw<T>('Relu', [raw('AddV2', [a, b])]);
  return withGradient(y, [a, b], [y], (dy, y) => {
    const gradient = raw('ReluGrad', [dy, y!]);
    return [gradient, gradient];
  });
}

/** a + b for two tensors of one shape. */
export function add<T extends Tensor>(a: T, b: T): T {
  return withGradient(raw<T>('AddV2', [a, b]), [a, b], [], (dy) => [dy, dy]);
}

/** What follows a normalisation: nothing, ReLU, or ReLU of the sum with a shortcut of the same shape. */
export type Activation =
  | { readonly relu: false; readonly shortcut?: undefined }
  | { readonly relu: true; readonly shortcut?: Tensor4D | undefined };

export function activated(y: Tensor4D, { relu: isActive, shortcut }: Activation): Tensor4D {
  if (!isActive) return y;
  return shortcut === undefined ? relu(y) : addRelu(y, shortcut);
}
