/** The learning rate as updates see it: an input of the trace, and its multiples for weights that have their own. */
import type { Scalar } from '@tensorflow/tfjs-node-gpu';
import { tf } from '../engine/tensorflow.js';
import type { Trace } from '../engine/trace.js';

/** Declares the input `learningRate`; returns the learning rate times a factor, each product once in the graph. */
export function learningRates(t: Trace): (factor: number) => Scalar {
  const rate = t.input('learningRate', 'float32', []) as Scalar;
  const rates = new Map<number, Scalar>([[1, rate]]);
  return (factor) => {
    const known = rates.get(factor);
    if (known !== undefined) return known;
    const product = tf.mul<Scalar>(rate, factor);
    rates.set(factor, product);
    return product;
  };
}
