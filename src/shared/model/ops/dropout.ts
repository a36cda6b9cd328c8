/** Dropout whose mask is a function of a seed: the same on every worker that computes this micro-batch. */
import type { Tensor, Tensor1D } from '@tensorflow/tfjs-node-gpu';
import { tfType } from '../../engine/dtype.js';
import { tf } from '../../engine/tensorflow.js';
import { raw, withGradient } from './raw.js';

/**
 * Sets each value to 0 with probability `rate` and multiplies the others by 1/(1 − rate).
 * @param seed int32 [2], another one for every step and micro-batch; `layer` tells the layers of one network apart.
 */
export function dropout<T extends Tensor>(x: T, rate: number, seed: Tensor, layer: number): T {
  if (rate === 0) return x;
  const int32 = { kind: 'type', value: tfType.int32 } as const;
  // Odd constants (of MurmurHash3's finaliser): layers' keys differ widely, whatever the seeds look like.
  const key = tf.tensor1d([Math.imul(layer + 1, 0x85ebca6b), Math.imul(layer + 1, 0xc2b2ae35)], 'int32');
  const layerSeed = raw<Tensor1D>('BitwiseXor', [seed, key], { T: int32 });
  const uniform = raw('StatelessRandomUniform', [tf.tensor1d(x.shape, 'int32'), layerSeed], {
    dtype: { kind: 'type', value: tfType.float32 },
    T: int32,
    Tseed: int32,
  });
  const mask = tf.mul(tf.cast(tf.greaterEqual(uniform, rate), 'float32'), 1 / (1 - rate));
  return withGradient(raw<T>('Mul', [x, mask]), [x], [mask], (dy, mask) => [raw('Mul', [dy, mask!])]);
}
