/** Moves an average towards the value that a step has come to. */
import type { Tensor } from '@tensorflow/tfjs-node-gpu';
import { tf } from '../../shared/engine/tensorflow.js';
import type { Trace } from '../../shared/engine/trace.js';
import type { Variable } from '../../shared/engine/variable.js';

/** The input's name: 1 − decay, which float32 holds better than the decay. */
export const averageInput = 'averageRest';

/** Declares the input; average ← average − (1 − decay)·(average − value). */
export function averages(t: Trace): (average: Variable, value: Tensor) => void {
  const rest = t.input(averageInput, 'float32', []);
  return (average, value) => t.subtract(average, tf.mul(tf.sub(t.read(average), value), rest));
}
