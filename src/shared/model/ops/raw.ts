/** TensorFlow operations by their own names, and gradients given by hand: for what tfjs lacks or does in many steps. */

import type { Tensor } from '@tensorflow/tfjs-node-gpu';
import type { NodeJSKernelBackend } from '@tensorflow/tfjs-node-gpu/dist/nodejs_kernel_backend.js';
import { tfType } from '../../engine/dtype.js';
import type { Attribute, Attributes } from '../../engine/graph.js';
import { tf } from '../../engine/tensorflow.js';
import { LockstepError } from '../../errors.js';

/** The type attribute that most operations on floats want. */
export const ofFloats: Attributes = { T: { kind: 'type', value: tfType.float32 } };

/** A list of integers, as strides and paddings are given. */
export const ints = (...value: number[]): Attribute => ({ kind: 'ints', value });

/** TensorFlow's operation `type` with one output. tfjs knows no gradient of it: see `withGradient`. */
export function raw<T extends Tensor>(
  type: string,
  inputs: readonly Tensor[],
  attributes: Attributes = ofFloats,
): T {
  return rawOutputs(type, inputs, attributes, 1)[0] as T;
}

/** TensorFlow's operation `type` with `count` outputs. */
export function rawOutputs(
  type: string,
  inputs: readonly Tensor[],
  attributes: Attributes,
  count: number,
): Tensor[] {
  const backend = tf.backend() as unknown as NodeJSKernelBackend;
  const { binding } = backend;
  const converted = Object.entries(attributes).map(([name, { kind, value }]) => {
    switch (kind) {
      case 'type':
        return { name, type: binding.TF_ATTR_TYPE, value };
      case 'int':
      case 'ints':
        return { name, type: binding.TF_ATTR_INT, value: value as number | number[] };
      case 'float':
        return { name, type: binding.TF_ATTR_FLOAT, value };
      case 'bool':
        return { name, type: binding.TF_ATTR_BOOL, value };
      case 'string':
        return { name, type: binding.TF_ATTR_STRING, value };
      default:
        throw new LockstepError('ENGINE', `${type}: tfjs cannot pass on the attribute '${name}' (${kind}).`);
    }
  });
  return backend.executeMultipleOutputs(type, converted, [...inputs], count);
}

/**
 * `value`, with its gradient with respect to `inputs` given by hand: `gradient` gets dL/dvalue and the `kept` tensors,
 * and returns one tensor for each input. Other outputs of the operation that made `value` stay usable.
 */
export function withGradient<T extends Tensor>(
  value: T,
  inputs: readonly Tensor[],
  kept: readonly Tensor[],
  gradient: (dy: T, ...kept: Tensor[]) => Tensor[],
): T {
  const attach = tf.customGrad((...given) => {
    // tfjs's types do not say that `save` comes last, after the tensors.
    const save = (given as unknown[])[inputs.length] as (tensors: Tensor[]) => void;
    save([...kept]);
    // A clone (which costs no operation) has an identity of its own: tfjs would otherwise also differentiate the calls
    // that made `value`, and add both gradients.
    return { value: value.clone(), gradFunc: (dy, saved) => gradient(dy as T, ...(saved as Tensor[])) };
  });
  return attach(...inputs) as T;
}
