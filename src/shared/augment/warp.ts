/** Rotation, zoom and stretch in one resampling. */
import type { Tensor2D, Tensor4D } from '@tensorflow/tfjs-node-gpu';
import type { AugmentConfig } from '../config/augment.js';
import { tfType } from '../engine/dtype.js';
import { tf } from '../engine/tensorflow.js';
import { raw } from '../model/ops/raw.js';

/** TensorFlow's names; its REFLECT repeats the outermost pixel. */
const fillModes = { zero: 'CONSTANT', reflect: 'REFLECT', edge: 'NEAREST' } as const;

/**
 * Each image by its affine map, bilinear. TensorFlow has kernels for CPU and GPU.
 * @param images float32 [n,h,w,3]
 * @param maps float32 [n,8], as `affineMap` makes them
 */
export function warp(images: Tensor4D, maps: Tensor2D, fill: AugmentConfig['fill']): Tensor4D {
  const frame = tf.tensor1d(images.shape.slice(1, 3), 'int32');
  return raw('ImageProjectiveTransformV3', [images, maps, frame, tf.scalar(0)], {
    dtype: { kind: 'type', value: tfType.float32 },
    interpolation: { kind: 'string', value: 'BILINEAR' },
    fill_mode: { kind: 'string', value: fillModes[fill] },
  });
}
