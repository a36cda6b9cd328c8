/** Optimisers by TensorFlow's fused operations: one an update, in place, on the device. */
import type { Tensor } from '@tensorflow/tfjs-node-gpu';
import type { OptimizerConfig } from '../config/schema.js';
import { tfType } from '../engine/dtype.js';
import type { Attributes } from '../engine/graph.js';
import { tf } from '../engine/tensorflow.js';
import type { Trace } from '../engine/trace.js';
import type { Variable } from '../engine/variable.js';

/** Changes one weight and its slots; `slots` are in the order of `slotNames`, the gradient is clipped and decayed. */
export type Update = (weight: Variable, slots: readonly Variable[], gradient: Tensor) => void;

const ofFloats: Attributes = { T: { kind: 'type', value: tfType.float32 } };

/** What an optimiser remembers of each weight; zeros before the first step. */
export function slotNames({ kind }: OptimizerConfig): readonly string[] {
  return kind === 'sgd' ? ['momentum'] : ['adam-m', 'adam-v'];
}

/** Declares the optimiser's inputs in a trace (what `optimizerFeeds` gives) and returns how it updates a weight. */
export function optimizer(t: Trace, config: OptimizerConfig): Update {
  return config.kind === 'sgd' ? sgd(t, config) : adam(t, config);
}

/** The inputs' values. `step` counts from 1 at the beginning of the stage. */
export function optimizerFeeds(
  config: OptimizerConfig,
  learningRate: number,
  step: number,
): Readonly<Record<string, readonly number[]>> {
  if (config.kind === 'sgd') return { learningRate: [learningRate] };
  // Adam's β^t: the power is taken here, in float64, once for all weights.
  return {
    learningRate: [learningRate],
    beta1Power: [config.beta1 ** step],
    beta2Power: [config.beta2 ** step],
  };
}

/**
 * v ← μv + g; w ← w − η(g + μv) with Nesterov, w − ηv without: PyTorch's form (without dampening) and that of
 * ResourceApplyMomentum. Keras puts η inside of v instead, which differs when η changes.
 */
function sgd(t: Trace, config: Extract<OptimizerConfig, { kind: 'sgd' }>): Update {
  const learningRate = t.input('learningRate', 'float32', []);
  const momentum = tf.scalar(config.momentum);
  const attributes: Attributes = { ...ofFloats, use_nesterov: { kind: 'bool', value: config.nesterov } };
  return (weight, slots, gradient) => {
    t.op('ResourceApplyMomentum', [weight, ...slots, learningRate, gradient, momentum], attributes);
  };
}

/**
 * Adam (Kingma and Ba 2015) in the form at the end of their section 2, as in ResourceApplyAdam and Keras:
 * η̂ = η·√(1 − β₂ᵗ)/(1 − β₁ᵗ), w ← w − η̂·m/(√v + ε). So ε stands beside the uncorrected √v; PyTorch puts it
 * beside the corrected one, which is the same as ε·√(1 − β₂ᵗ) here.
 */
function adam(t: Trace, { beta1, beta2, epsilon }: Extract<OptimizerConfig, { kind: 'adam' }>): Update {
  const learningRate = t.input('learningRate', 'float32', []);
  const powers = [t.input('beta1Power', 'float32', []), t.input('beta2Power', 'float32', [])];
  const constants = [tf.scalar(beta1), tf.scalar(beta2), tf.scalar(epsilon)];
  return (weight, slots, gradient) => {
    t.op('ResourceApplyAdam', [weight, ...slots, ...powers, learningRate, ...constants, gradient], ofFloats);
  };
}
