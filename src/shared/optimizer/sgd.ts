/** Stochastic gradient descent with momentum. */
import type { Tensor } from '@tensorflow/tfjs-node-gpu';
import type { OptimizerConfig } from '../config/schema.js';
import type { Device } from '../engine/device.js';
import type { Attributes } from '../engine/graph.js';
import type { Trace } from '../engine/trace.js';
import { ofFloats } from '../model/ops/raw.js';
import { decayed } from './gradient.js';
import { learningRates } from './rate.js';
import type { Trained, Update } from './update.js';
import '../kernels/kernels.js';

type Sgd = Extract<OptimizerConfig, { kind: 'sgd' }>;

/**
 * g ← g + λw; v ← μv + g; w ← w − η(g + μv) with Nesterov, w − ηv without: PyTorch's form (without dampening) and that
 * of ResourceApplyMomentum. Keras puts η inside of v instead, which differs when η changes.
 */
export function sgd(t: Trace, config: Sgd, device: Device): Update {
  const rate = learningRates(t);
  const momentum = t.input('momentum', 'float32', []);
  const step = device === 'cpu' ? inOnePass : byTensorFlow;
  return (trained, gradient) => step(t, config, trained, rate(trained.rateFactor), momentum, gradient);
}

type Step = (
  t: Trace,
  config: Sgd,
  trained: Trained,
  rate: Tensor,
  momentum: Tensor,
  gradient: Tensor,
) => void;

const byTensorFlow: Step = (t, { nesterov, weightDecay }, trained, rate, momentum, gradient) => {
  const { weight, slots, decays } = trained;
  const whole = decays ? decayed(gradient, t.read(weight), weightDecay) : gradient;
  const attributes: Attributes = { ...ofFloats, use_nesterov: { kind: 'bool', value: nesterov } };
  t.op('ResourceApplyMomentum', [weight, ...slots, rate, whole, momentum], attributes);
};

/** Weight decay and update read and write all of it once, where TensorFlow's operations take three passes. */
const inOnePass: Step = (t, { nesterov, weightDecay }, trained, rate, momentum, gradient) => {
  const { weight, decays } = trained;
  const velocity = trained.slots[0]!;
  const [newWeight, newVelocity] = t.op(
    'LockstepMomentum',
    [t.read(weight), t.read(velocity), gradient, rate, momentum],
    {
      decay: { kind: 'float', value: decays ? weightDecay : 0 },
      nesterov: { kind: 'bool', value: nesterov },
    },
  );
  t.assign(weight, newWeight!);
  t.assign(velocity, newVelocity!);
};
