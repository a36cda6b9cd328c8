/** LARS: layer-wise adaptive rate scaling, for large batches. */
import type { Scalar, Tensor } from '@tensorflow/tfjs-node-gpu';
import type { OptimizerConfig } from '../config/schema.js';
import type { Attributes } from '../engine/graph.js';
import { tf } from '../engine/tensorflow.js';
import type { Trace } from '../engine/trace.js';
import { ofFloats } from '../model/ops/raw.js';
import { decayed, norm } from './gradient.js';
import { learningRates } from './rate.js';
import type { Update } from './update.js';

type Lars = Extract<OptimizerConfig, { kind: 'lars' }>;

/**
 * You, Gitman and Ginsburg 2017, algorithm 1: r = trust·‖w‖/(‖g‖ + λ‖w‖ + ε), v ← μv + η·r·(g + λw), w ← w − v, with
 * the norms of one weight at a time. ε is apex's (LARC). As in SimCLR's code, r is 1 for BatchNorm and biases, which do
 * not decay either, and where a norm is zero; η is inside of v; Nesterov's step is w − (μv + η·r·(g + λw)). SimCLR's
 * code has ‖g + λw‖ in the denominator, and no ε.
 */
export function lars(t: Trace, config: Lars): Update {
  const rate = learningRates(t);
  const momentum = t.input('momentum', 'float32', []);
  const one = tf.scalar(1);
  const attributes: Attributes = { ...ofFloats, use_nesterov: { kind: 'bool', value: config.nesterov } };
  return ({ weight, slots, decays, rateFactor }, gradient) => {
    let step = tf.mul(gradient, rate(rateFactor));
    if (decays) {
      const value = t.read(weight);
      const ownRate = tf.mul(rate(rateFactor), trustRatio(value, gradient, config));
      step = tf.mul(decayed(gradient, value, config.weightDecay), ownRate);
    }
    t.op('ResourceApplyMomentum', [weight, ...slots, one, step, momentum], attributes);
  };
}

function trustRatio(
  weight: Tensor,
  gradient: Tensor,
  { trustCoefficient, weightDecay, epsilon }: Lars,
): Scalar {
  const weightNorm = norm(weight);
  const gradientNorm = norm(gradient);
  const denominator = tf.add(tf.add(gradientNorm, tf.mul(weightNorm, weightDecay)), epsilon);
  const both = tf.logicalAnd(tf.greater(weightNorm, 0), tf.greater(gradientNorm, 0));
  return tf.where(both, tf.div(tf.mul(weightNorm, trustCoefficient), denominator), tf.scalar(1)) as Scalar;
}
