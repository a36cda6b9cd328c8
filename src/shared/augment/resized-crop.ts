/** A box of each image, resized to the whole frame: bilinear, each axis by itself, nothing seen from outside of the box. */
import type { Tensor, Tensor2D, Tensor4D } from '@tensorflow/tfjs-node-gpu';
import { tfType } from '../engine/dtype.js';
import { tf } from '../engine/tensorflow.js';
import { raw } from '../model/ops/raw.js';

/**
 * What torchvision's resized_crop gives, pixel centres at halves, without antialiasing: a box is never larger than the
 * frame.
 *
 * @param images float32 [n,side,side,3]
 * @param boxes float32 [n,4], whole numbers: top, left, height, width
 */
export function resizedCrop(images: Tensor4D, boxes: Tensor2D): Tensor4D {
  const [top, left, height, width] = tf.split(boxes, 4, 1) as Tensor2D[];
  const tall = resizeRows(images, top!, height!);
  const turned = tf.transpose(tall, [0, 2, 1, 3]);
  return tf.transpose(resizeRows(turned, left!, width!), [0, 2, 1, 3]);
}

/** Rows `first` … `first + count − 1` of each image, resized to as many as there are. Both are [n,1]. */
function resizeRows(images: Tensor4D, first: Tensor2D, count: Tensor2D): Tensor4D {
  const [n, side, , channels] = images.shape;
  const rows = tf.reshape(images, [n * side, side * channels]);
  // Where the middle of each new row lies among those of the box; above the first there is only the first.
  const places = tf.tensor2d(
    Array.from({ length: side }, (_, i) => i + 0.5),
    [1, side],
  );
  const at = tf.relu(tf.sub(tf.mul(places, tf.div(count, side)), 0.5));
  const last = tf.sub(count, 1);
  const above = tf.minimum(tf.floor(at), last);
  const below = tf.minimum(tf.add(above, 1), last);
  const images0 = tf.tensor2d(
    Array.from({ length: n }, (_, i) => i * side),
    [n, 1],
  );
  const start = tf.add(images0, first);
  const take = (index: Tensor): Tensor =>
    gatherRows(rows, tf.reshape(tf.cast(tf.add(start, index), 'int32'), [n * side]));
  const weight = tf.reshape(tf.sub(at, above), [n * side, 1]);
  const mixed = tf.add(tf.mul(take(above), tf.sub(1, weight)), tf.mul(take(below), weight));
  return tf.reshape(mixed, [n, side, side, channels]);
}

/** tfjs's own gather reads the indices to check them, which a trace can't. */
function gatherRows(rows: Tensor, index: Tensor): Tensor {
  return raw('GatherV2', [rows, index, tf.scalar(0, 'int32')], {
    batch_dims: { kind: 'int', value: 0 },
    Tparams: { kind: 'type', value: tfType.float32 },
    Tindices: { kind: 'type', value: tfType.int32 },
    Taxis: { kind: 'type', value: tfType.int32 },
  });
}
