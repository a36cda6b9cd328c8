/** A linear classifier on features: loss and gradient of one block, and what the features have to be scaled by. */
import type { Tensor1D, Tensor2D } from '@tensorflow/tfjs-node-gpu';
import type { Session } from '../../shared/engine/session.js';
import { tf } from '../../shared/engine/tensorflow.js';
import type { TracedFunction } from '../../shared/engine/traced-function.js';
import { crossEntropy } from '../../shared/loss/cross-entropy.js';
import { targets } from '../../shared/loss/softmax.js';
import { product } from '../../shared/model/ops/dense.js';

export interface BlockShape {
  /** Features in a block. */
  readonly block: number;
  readonly width: number;
}

/**
 * Inputs: `features` float32 [b,f], `mask` [b], 1 for a feature and 0 for what pads the block, and `count`, how many are
 * real. Outputs: `mean` [f], and `deviations` [f], Σ (x − mean)²: no difference of large numbers.
 */
export function traceMoments(session: Session, name: string, { block, width }: BlockShape): TracedFunction {
  return session.trace(name, (t) => {
    const features = t.input('features', 'float32', [block, width]) as Tensor2D;
    const mask = t.input('mask', 'float32', [block]) as Tensor1D;
    const count = t.input('count', 'float32', []);
    const rows = tf.expandDims(mask, 1);
    const mean = tf.div(tf.sum(tf.mul(features, rows), 0), count);
    const deviations = tf.sum(tf.mul(tf.square(tf.sub(features, mean)), rows), 0);
    return { mean, deviations };
  });
}

/**
 * Inputs: as `traceMoments`, `labels` int32 [b], `shift` and `scale` [f], `weights` [f,c], `bias` [c].
 * Outputs of softmax((x − shift)·scale·W + b), summed over the block: `loss`, the cross-entropy in nats, and its
 * gradients `dWeights` [f,c] and `dBias` [c].
 */
export function traceProbe(
  session: Session,
  name: string,
  { block, width, classes }: BlockShape & { readonly classes: number },
): TracedFunction {
  return session.trace(name, (t) => {
    const features = t.input('features', 'float32', [block, width]) as Tensor2D;
    const shift = t.input('shift', 'float32', [width]);
    const x = tf.mul(tf.sub(features, shift), t.input('scale', 'float32', [width])) as Tensor2D;
    const weights = t.input('weights', 'float32', [width, classes]) as Tensor2D;
    const logits = tf.add(product(x, weights), t.input('bias', 'float32', [classes])) as Tensor2D;
    const mask = t.input('mask', 'float32', [block]) as Tensor1D;
    const labels = t.input('labels', 'int32', [block]) as Tensor1D;
    const { losses, gradient } = crossEntropy(logits, targets(labels, classes));
    const masked = tf.mul(gradient, tf.expandDims(mask, 1));
    return {
      loss: tf.sum(tf.mul(losses, mask)),
      dWeights: product(x, masked, { transpose_a: { kind: 'bool', value: true } }),
      dBias: tf.sum(masked, 0),
    };
  });
}
