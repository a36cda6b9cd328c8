/** Stochastic gradient descent with momentum. */
import type { OptimizerConfig } from '../config/schema.js';
import type { Attributes } from '../engine/graph.js';
import type { Trace } from '../engine/trace.js';
import { ofFloats } from '../model/ops/raw.js';
import { decayed } from './gradient.js';
import { learningRates } from './rate.js';
import type { Update } from './update.js';

/**
 * g ← g + λw; v ← μv + g; w ← w − η(g + μv) with Nesterov, w − ηv without: PyTorch's form (without dampening) and that
 * of ResourceApplyMomentum. Keras puts η inside of v instead, which differs when η changes.
 */
export function sgd(t: Trace, { nesterov, weightDecay }: Extract<OptimizerConfig, { kind: 'sgd' }>): Update {
  const rate = learningRates(t);
  const momentum = t.input('momentum', 'float32', []);
  const attributes: Attributes = { ...ofFloats, use_nesterov: { kind: 'bool', value: nesterov } };
  return ({ weight, slots, decays, rateFactor }, gradient) => {
    const whole = decays ? decayed(gradient, t.read(weight), weightDecay) : gradient;
    t.op('ResourceApplyMomentum', [weight, ...slots, rate(rateFactor), whole, momentum], attributes);
  };
}
