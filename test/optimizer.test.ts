/** Optimisers as they run, traced, against PyTorch in float64 (test/fixtures/optimizers.py) and against formulas. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { OptimizerConfig } from '../src/shared/config/schema.js';
import type { Device } from '../src/shared/engine/device.js';
import { Session } from '../src/shared/engine/session.js';
import { tf } from '../src/shared/engine/tensorflow.js';
import { clipFactor, decayed, norm } from '../src/shared/optimizer/gradient.js';
import { optimizer, optimizerFeeds, slotNames } from '../src/shared/optimizer/optimizer.js';
import fixture from './fixtures/optimizers.json' with { type: 'json' };
import { draws, expectClose } from './numeric.js';

let session: Session;
beforeAll(() => {
  session = new Session({ precision: 'float32', device: 'cpu' });
});
afterAll(() => session.close());

interface Weight {
  readonly initial: ArrayLike<number>;
  readonly shape: readonly number[];
  readonly decays: boolean;
  readonly rateFactor: number;
  /** At each step. */
  readonly gradients: readonly ArrayLike<number>[];
}

let runs = 0;

/** The weights after all steps, all in one traced function. */
async function trained(
  config: OptimizerConfig,
  weights: readonly Weight[],
  rates: readonly number[],
  momenta?: readonly number[],
  device: Device = 'cpu',
): Promise<Float32Array[]> {
  runs += 1;
  const declared = weights.map(({ shape, initial }, i) => {
    const name = `run ${runs} weight ${i}`;
    const slots = slotNames(config).map((kind) => session.variable(`${name} ${kind}`, 'float32', shape));
    return { weight: session.variable(name, 'float32', shape), slots, initial };
  });
  await session.assign(
    new Map(
      declared.flatMap(({ weight, slots, initial }) => [
        [weight, initial] as const,
        ...slots.map((slot) => [slot, new Float32Array(initial.length)] as const),
      ]),
    ),
  );
  const apply = session.trace(`run ${runs}`, (t) => {
    const update = optimizer(t, config, device);
    for (const [i, { shape, decays, rateFactor }] of weights.entries()) {
      update({ ...declared[i]!, decays, rateFactor }, t.input(`gradient ${i}`, 'float32', shape));
    }
    return {};
  });
  for (const [step, learningRate] of rates.entries()) {
    const gradients = weights.map(({ gradients }, i) => [`gradient ${i}`, gradients[step]!] as const);
    const momentum = momenta?.[step];
    await apply.run({
      ...Object.fromEntries(gradients),
      ...optimizerFeeds(config, { learningRate, momentum, update: step + 1 }),
    });
  }
  const values = await session.read(declared.map(({ weight }) => weight));
  return values.map((value) => {
    const copy = value.floats.slice();
    value.free();
    return copy;
  });
}

const pytorch: readonly Weight[] = [
  { initial: fixture.kernel, shape: [3, 4], decays: true, rateFactor: 1 },
  { initial: fixture.bias, shape: [4], decays: false, rateFactor: fixture.factor },
].map((weight, i) => ({ ...weight, gradients: fixture.gradients.map((step) => step[i]!) }));

const sgd = { kind: 'sgd', momentum: 0.9, weightDecay: 0.1 } as const;
const adamw = { kind: 'adamw', beta1: 0.9, beta2: 0.99, epsilon: 1e-2, weightDecay: 0.2 } as const;
const lars = {
  kind: 'lars',
  momentum: 0.9,
  weightDecay: 0.1,
  trustCoefficient: 0.02,
  epsilon: 0.05,
} as const;

const likePytorch: [keyof typeof fixture.after, OptimizerConfig][] = [
  ['sgd', { ...sgd, nesterov: false }],
  ['sgd nesterov', { ...sgd, nesterov: true }],
  ['sgd cycled', { ...sgd, nesterov: true }],
  ['adamw', adamw],
  ['adamw cycled', adamw],
  ['lars', { ...lars, nesterov: false }],
  ['lars nesterov', { ...lars, nesterov: true }],
];

describe('with weight decay, a changing learning rate and one of its own for the bias, as PyTorch:', () => {
  // On GPUs SGD is TensorFlow's operation, which processors have as well.
  const devices = (kind: OptimizerConfig['kind']): readonly Device[] =>
    kind === 'sgd' ? ['cpu', 'gpu'] : ['cpu'];
  const cases = likePytorch.flatMap(([name, config]) =>
    devices(config.kind).map((device) => [name, device, config] as const),
  );

  it.each(cases)('%s, by what a %s has', async (name, device, config) => {
    const momenta = name.endsWith('cycled') ? fixture.momenta : undefined;
    const found = await trained(config, pytorch, fixture.rates, momenta, device);
    for (const [i, expected] of fixture.after[name].entries()) {
      expectClose(tf.tensor1d(found[i]!), expected, 2e-6);
    }
  });
});

describe('LARS', () => {
  it.each([
    ['a weight', 0, 3],
    ['a gradient', 2, 0],
  ])('steps by plain momentum where %s is zero', async (_, initial, gradient) => {
    const weight = { initial: [initial, initial], shape: [2], decays: true, rateFactor: 1 };
    const config: OptimizerConfig = { ...lars, nesterov: false };
    const [found] = await trained(config, [{ ...weight, gradients: [[gradient, gradient]] }], [0.1]);
    const expected = initial - 0.1 * (gradient + 0.1 * initial);
    expectClose(tf.tensor1d(found!), [expected, expected], 1e-6);
  });
});

it('Adam follows its formula', async () => {
  const size = 6;
  const steps = 5;
  const initial = draws(size, 'weight');
  const gradients = Array.from({ length: steps }, (_, step) => draws(size, `gradient ${step}`));
  const rates = gradients.map((_, step) => 0.1 / (step + 1));
  const expected = Array.from(initial, (start, i) => {
    let [weight, first, second] = [start, 0, 0];
    for (let step = 1; step <= steps; step++) {
      const gradient = gradients[step - 1]![i]! + 0.05 * weight;
      first = 0.9 * first + 0.1 * gradient;
      second = 0.999 * second + 0.001 * gradient ** 2;
      // Kingma and Ba's algorithm 1 with the bias corrections written out, ε̂ = ε·√(1 − β₂ᵗ) beside the corrected root.
      const left = 1 - 0.999 ** step;
      const root = Math.sqrt(second / left) + 1e-3 / Math.sqrt(left);
      weight -= (rates[step - 1]! * first) / (1 - 0.9 ** step) / root;
    }
    return weight;
  });
  const config = { kind: 'adam', beta1: 0.9, beta2: 0.999, epsilon: 1e-3, weightDecay: 0.05 } as const;
  const weight = { initial, shape: [size], decays: true, rateFactor: 1, gradients };
  const [found] = await trained(config, [weight], rates);
  expectClose(tf.tensor1d(found!), expected, 2e-6);
});

describe('weight decay', () => {
  it('adds the weight to the gradient', () => {
    expectClose(decayed(tf.tensor1d([1, 2]), tf.tensor1d([10, -20]), 0.01), [1.1, 1.8], 1e-6);
  });

  it('of zero changes nothing', () => {
    const gradient = tf.tensor1d([1, 2]);
    expect(decayed(gradient, tf.tensor1d([10, -20]), 0)).toBe(gradient);
  });
});

describe('clipping', () => {
  it('measures a whole tensor', () => {
    // ‖(3, 0, 4, 12)‖ = 13.
    expect(norm(tf.tensor2d([3, 0, 4, 12], [2, 2])).dataSync()[0]).toBeCloseTo(13, 5);
  });

  it.each([
    [13, 6.5, 0.5],
    [13, 13, 1],
    [13, 20, 1],
    [0, 1, 1],
  ])('of a norm of %d to %d multiplies by %d', (norm, limit, factor) => {
    expect(clipFactor(tf.scalar(norm), limit).dataSync()[0]).toBe(factor);
  });
});
