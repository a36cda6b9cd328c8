/** Adam, and Adam with decoupled weight decay. */
import type { Tensor } from '@tensorflow/tfjs-node-gpu';
import type { OptimizerConfig } from '../config/schema.js';
import { tf } from '../engine/tensorflow.js';
import type { Trace } from '../engine/trace.js';
import { ofFloats } from '../model/ops/raw.js';
import { decayed } from './gradient.js';
import { learningRates } from './rate.js';
import type { Trained, Update } from './update.js';

/**
 * Adam (Kingma and Ba 2015) in the form at the end of their section 2, as in ResourceApplyAdam and Keras:
 * η̂ = η·√(1 − β₂ᵗ)/(1 − β₁ᵗ), w ← w − η̂·m/(√v + ε). So ε stands beside the uncorrected √v; PyTorch puts it
 * beside the corrected one, which is the same as ε·√(1 − β₂ᵗ) here. Weight decay is coupled: g ← g + λw.
 */
export function adam(t: Trace, config: Extract<OptimizerConfig, { kind: 'adam' }>): Update {
  const rate = learningRates(t);
  const step = moments(t, config.beta2);
  return (trained, gradient) => {
    const { weight, decays, rateFactor } = trained;
    const whole = decays ? decayed(gradient, t.read(weight), config.weightDecay) : gradient;
    step(trained, rate(rateFactor), whole);
  };
}

/**
 * AdamW (Loshchilov and Hutter 2019) as in PyTorch: w ← w − η·λ·w, then Adam's step by the gradient alone, with ε beside
 * the corrected root: `optimizerFeeds` gives ε·√(1 − β₂ᵗ).
 */
export function adamW(t: Trace, config: Extract<OptimizerConfig, { kind: 'adamw' }>): Update {
  const rate = learningRates(t);
  const step = moments(t, config.beta2);
  return (trained, gradient) => {
    const { weight, decays, rateFactor } = trained;
    const ownRate = rate(rateFactor);
    const update = () => step(trained, ownRate, gradient);
    if (!decays || config.weightDecay === 0) return update();
    t.inOrder(() => t.subtract(weight, tf.mul(t.read(weight), tf.mul(ownRate, config.weightDecay))), update);
  };
}

/** Declares the other inputs of Adam's step: m ← β₁m + (1 − β₁)g, v ← β₂v + (1 − β₂)g², and the weight by both. */
function moments(t: Trace, beta2: number) {
  const [beta1, beta1Power, beta2Power, epsilon] = ['beta1', 'beta1Power', 'beta2Power', 'epsilon'].map(
    (name) => t.input(name, 'float32', []),
  ) as [Tensor, Tensor, Tensor, Tensor];
  const second = tf.scalar(beta2);
  return ({ weight, slots }: Trained, rate: Tensor, gradient: Tensor): void => {
    const inputs = [weight, ...slots, beta1Power, beta2Power, rate, beta1, second, epsilon, gradient];
    t.op('ResourceApplyAdam', inputs, ofFloats);
  };
}
