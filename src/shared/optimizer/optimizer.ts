/** Optimisers as functions of tensors: weight, gradient and state in, weight and state out. */
import type { Scalar, Tensor } from '@tensorflow/tfjs-node-gpu';
import type { OptimizerConfig } from '../config/schema.js';
import { tf } from '../engine/tensorflow.js';

export interface Update {
  readonly weight: Tensor;
  /** Of the loss, summed over the global batch; decayed and clipped already. */
  readonly gradient: Tensor;
  /** As `slotNames` orders them, each of the weight's shape; zeros before the first step. */
  readonly slots: readonly Tensor[];
  readonly learningRate: Scalar;
  /** This step's number, counted from 1 at the beginning of the stage. Adam's bias correction needs it. */
  readonly step: Scalar;
}

export interface Updated {
  readonly weight: Tensor;
  readonly slots: readonly Tensor[];
}

/** What an optimiser remembers of each weight. */
export function slotNames({ kind }: OptimizerConfig): readonly string[] {
  return kind === 'sgd' ? ['momentum'] : ['adam-m', 'adam-v'];
}

/** One step of one weight. */
export function update(optimizer: OptimizerConfig, state: Update): Updated {
  return optimizer.kind === 'sgd' ? sgd(optimizer, state) : adam(optimizer, state);
}

type Sgd = Extract<OptimizerConfig, { kind: 'sgd' }>;
type Adam = Extract<OptimizerConfig, { kind: 'adam' }>;

/**
 * v ← μv + g; w ← w − η(g + μv) with Nesterov, w − ηv without. PyTorch's form (without dampening), and that of
 * TensorFlow's ResourceApplyMomentum. Keras puts η inside of v instead, which differs when η changes.
 */
function sgd(
  { momentum, nesterov }: Sgd,
  { weight, gradient, slots: [velocity], learningRate }: Update,
): Updated {
  const next = tf.add(tf.mul(velocity!, momentum), gradient);
  const direction = nesterov ? tf.add(gradient, tf.mul(next, momentum)) : next;
  return { weight: tf.sub(weight, tf.mul(direction, learningRate)), slots: [next] };
}

/**
 * Adam (Kingma and Ba 2015) in the form at the end of their section 2, as in TensorFlow's ResourceApplyAdam and Keras:
 * η̂ = η·√(1 − β₂ᵗ)/(1 − β₁ᵗ), w ← w − η̂·m/(√v + ε). So ε stands beside the uncorrected √v; PyTorch puts it
 * beside the corrected one, which is the same as ε·√(1 − β₂ᵗ) here.
 */
function adam(
  { beta1, beta2, epsilon }: Adam,
  { weight, gradient, slots, learningRate, step }: Update,
): Updated {
  const m = tf.add(tf.mul(slots[0]!, beta1), tf.mul(gradient, 1 - beta1));
  const v = tf.add(tf.mul(slots[1]!, beta2), tf.mul(tf.square(gradient), 1 - beta2));
  const correction = tf.div(tf.sqrt(tf.sub(1, tf.pow(beta2, step))), tf.sub(1, tf.pow(beta1, step)));
  const direction = tf.div(m, tf.add(tf.sqrt(v), epsilon));
  return { weight: tf.sub(weight, tf.mul(direction, tf.mul(learningRate, correction))), slots: [m, v] };
}
