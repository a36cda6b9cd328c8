/** 2-D convolution, NHWC, with PyTorch's symmetric padding forward and backward. */
import type { Tensor4D } from '@tensorflow/tfjs-node-gpu';
import type { Attributes } from '../../engine/graph.js';
import { tf } from '../../engine/tensorflow.js';
import { ints, ofFloats, raw, withGradient } from './raw.js';

/**
 * Padding as TensorFlow wants it for a window of `size`: (size − 1)/2 zeros on every side. At stride 2 this differs
 * from 'SAME', which pads only below and to the right of an even input; weights from torchvision need the former.
 */
export function symmetricPadding(size: number, stride: number): Attributes {
  const pad = (size - 1) / 2;
  if (pad === 0) return { padding: { kind: 'string', value: 'VALID' } };
  // The same thing at stride 1, and the path that TensorFlow's graph optimiser knows best.
  if (stride === 1) return { padding: { kind: 'string', value: 'SAME' } };
  return {
    padding: { kind: 'string', value: 'EXPLICIT' },
    explicit_paddings: ints(0, 0, pad, pad, pad, pad, 0, 0),
  };
}

/**
 * @param x [B,H,W,in]
 * @param kernel [size,size,in,out], size odd
 * @returns [B,⌈H/stride⌉,⌈W/stride⌉,out]
 */
export function convolution(x: Tensor4D, kernel: Tensor4D, stride: number): Tensor4D {
  const attributes: Attributes = {
    ...ofFloats,
    ...symmetricPadding(kernel.shape[0], stride),
    strides: ints(1, stride, stride, 1),
  };
  const y = raw<Tensor4D>('Conv2D', [x, kernel], attributes);
  return withGradient(y, [x, kernel], [x, kernel], (dy, x, kernel) => [
    raw('Conv2DBackpropInput', [tf.tensor1d(x!.shape, 'int32'), kernel!, dy], attributes),
    raw('Conv2DBackpropFilter', [x!, tf.tensor1d(kernel!.shape, 'int32'), dy], attributes),
  ]);
}
