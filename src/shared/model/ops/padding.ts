/** Zeros around images, as an attribute of an operation or as an operation of their own. */
import type { Tensor4D } from '@tensorflow/tfjs-node-gpu';
import { tfType } from '../../engine/dtype.js';
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
 * x between the zeros that a window of `size` at `stride` reaches: (size − 1)/2 above and on the left, the rest below and
 * on the right.
 *
 * @param x [B,H,W,C]
 */
export function padded(x: Tensor4D, size: number, stride: number): Tensor4D {
  const before = (size - 1) / 2;
  const [, height, width] = x.shape;
  const after = (extent: number) => (Math.ceil(extent / stride) - 1) * stride + size - before - extent;
  const y = zerosAround(x, [before, after(height)], [before, after(width)]);
  return withGradient(y, [x], [], (dy) => [tf.slice(dy, [0, before, before, 0], x.shape)]);
}

/**
 * Without a gradient.
 *
 * @param rows how many zeros above and below
 * @param columns how many on the left and on the right
 */
export function zerosAround(
  x: Tensor4D,
  rows: readonly [number, number],
  columns: readonly [number, number],
): Tensor4D {
  const paddings = tf.tensor2d([[0, 0], [...rows], [...columns], [0, 0]], [4, 2], 'int32');
  return raw('Pad', [x, paddings], { ...ofFloats, Tpaddings: { kind: 'type', value: tfType.int32 } });
}
