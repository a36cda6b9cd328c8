/**
 * What happens to gradients between the sum over workers and the optimiser, in this order: they are divided by the loss
 * scale, clipped by their global norm, and then, in the optimiser, get their weight decay (PyTorch's order).
 */
import type { Scalar, Tensor } from '@tensorflow/tfjs-node-gpu';
import { tf } from '../engine/tensorflow.js';
import { raw } from '../model/ops/raw.js';

/** L2 decay, coupled as in PyTorch's SGD: gradient + weightDecay·weight. For weights whose spec says `decay`. */
export function decayed(gradient: Tensor, weight: Tensor, weightDecay: number): Tensor {
  return weightDecay === 0 ? gradient : tf.add(gradient, tf.mul(weight, weightDecay));
}

/** ‖x‖, a tensor's norm. */
export function norm(x: Tensor): Scalar {
  // L2Loss is Σx²/2.
  return tf.sqrt(tf.mul(2, raw<Scalar>('L2Loss', [x])));
}

/** min(1, limit/norm): what gradients of this norm are multiplied by, so that it is at most `limit`. */
export function clipFactor(norm: Scalar, limit: number): Scalar {
  return tf.div(limit, tf.maximum(norm, limit));
}
