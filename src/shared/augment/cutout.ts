/** A square of each image set to zero (DeVries and Taylor 2017): after normalisation, so that it has the mean colour. */
import type { Tensor, Tensor2D, Tensor4D } from '@tensorflow/tfjs-node-gpu';
import { tf } from '../engine/tensorflow.js';

/**
 * @param images [n,h,w,3]
 * @param corners [n,2]: top and left of each image's square, whole numbers; what lies outside of the image is ignored
 */
export function cutout(images: Tensor4D, corners: Tensor2D, side: number): Tensor4D {
  const [n, height, width] = images.shape;
  const [top, left] = tf.split(corners, 2, 1);
  const rows = tf.reshape(inside(height, top!, side), [n, height, 1, 1]);
  const columns = tf.reshape(inside(width, left!, side), [n, 1, width, 1]);
  return tf.mul(images, tf.sub(1, tf.mul(rows, columns)));
}

/** 1 where first ≤ i < first + count, else 0: [n,1] to [n,length]. */
function inside(length: number, first: Tensor, count: number): Tensor {
  const i = tf.tensor2d(
    Array.from({ length }, (_, index) => index),
    [1, length],
  );
  const within = tf.logicalAnd(tf.greaterEqual(i, first), tf.less(i, tf.add(first, count)));
  return tf.cast(within, 'float32');
}
