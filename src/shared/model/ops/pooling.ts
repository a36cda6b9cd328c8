/** Max-pooling, and the average over all positions that ends an encoder. */
import type { Tensor2D, Tensor4D } from '@tensorflow/tfjs-node-gpu';
import type { Attributes } from '../../engine/graph.js';
import { tf } from '../../engine/tensorflow.js';
import { padded, symmetricPadding } from './padding.js';
import { ints, ofFloats, raw, withGradient } from './raw.js';

/** The largest value of every size×size window, size odd: [B,H,W,C] to [B,⌈H/stride⌉,⌈W/stride⌉,C]. Padding never wins. */
export function maxPool(x: Tensor4D, size: number, stride: number): Tensor4D {
  return pool(x, size, stride, symmetricPadding(size, stride));
}

/** The same where the padding's zeros take part, as between Keras's ZeroPadding2D and MaxPooling2D: they win over negative values. */
export function zeroPaddedMaxPool(x: Tensor4D, size: number, stride: number): Tensor4D {
  return pool(padded(x, size, stride), size, stride, { padding: { kind: 'string', value: 'VALID' } });
}

/** The largest value of every whole size×size tile: [B,H,W,C] to [B,⌊H/size⌋,⌊W/size⌋,C]. What is left over is ignored. */
export function maxPoolTiles(x: Tensor4D, size: number): Tensor4D {
  return pool(x, size, size, { padding: { kind: 'string', value: 'VALID' } });
}

function pool(x: Tensor4D, size: number, stride: number, padding: Attributes): Tensor4D {
  const attributes: Attributes = {
    ...ofFloats,
    ...padding,
    ksize: ints(1, size, size, 1),
    strides: ints(1, stride, stride, 1),
  };
  const y = raw<Tensor4D>('MaxPool', [x], attributes);
  return withGradient(y, [x], [x, y], (dy, x, y) => [raw('MaxPoolGrad', [x!, y!, dy], attributes)]);
}

/** The mean over H and W: [B,H,W,C] to [B,C]. */
export function globalAverage(x: Tensor4D): Tensor2D {
  const [batch, height, width, channels] = x.shape;
  if (height * width === 1) return tf.reshape(x, [batch, channels]);
  return withGradient(tf.mean(x, [1, 2]) as Tensor2D, [x], [], (dy) => {
    const share = tf.reshape(tf.mul(dy, 1 / (height * width)), [batch, 1, 1, channels]);
    return [tf.broadcastTo(share, [batch, height, width, channels])];
  });
}

/** The maximum over H and W, which are equal: [B,H,W,C] to [B,C]. */
export function globalMaximum(x: Tensor4D): Tensor2D {
  const [batch, height, , channels] = x.shape;
  return tf.reshape(maxPoolTiles(x, height), [batch, channels]);
}
