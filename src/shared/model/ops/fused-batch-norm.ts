/** BatchNorm in training with what follows it, as one operation of our own: see docs/design.md. For CPUs. */
import type { Tensor, Tensor1D, Tensor4D } from '@tensorflow/tfjs-node-gpu';
import { tfType } from '../../engine/dtype.js';
import type { Attributes } from '../../engine/graph.js';
import { rawOutputs, withGradient } from './raw.js';
import type { Activation } from './relu.js';
import '../../kernels/kernels.js';

/**
 * y, as x [B,H,W,C], and the batch's means and variances [C], the latter divided by the count. Through y alone do
 * gradients flow.
 */
export function fusedBatchNorm(
  x: Tensor4D,
  gamma: Tensor1D,
  beta: Tensor1D,
  epsilon: number,
  { relu, shortcut }: Activation,
): { readonly y: Tensor4D; readonly mean: Tensor1D; readonly variance: Tensor1D } {
  const side = shortcut === undefined ? [] : [shortcut];
  const attributes: Attributes = {
    T: { kind: 'type', value: tfType.float32 },
    sides: { kind: 'int', value: side.length },
    epsilon: { kind: 'float', value: epsilon },
    relu: { kind: 'bool', value: relu },
  };
  const forward = rawOutputs('LockstepBatchNorm', [x, gamma, beta, ...side], attributes, 3);
  const [y, mean, variance] = forward as [Tensor4D, Tensor1D, Tensor1D];
  // With a shortcut, where y is above 0 says where its gradient passes; else x does, which is read in any case.
  const kept = [x, gamma, beta, mean, variance, ...(shortcut === undefined ? [] : [y])];
  const inputs: Tensor[] = [x, gamma, beta, ...side];
  return {
    y: withGradient(y, inputs, kept, (dy, ...kept) =>
      rawOutputs('LockstepBatchNormGrad', [dy, ...kept], attributes, inputs.length),
    ),
    mean,
    variance,
  };
}
