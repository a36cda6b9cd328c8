import { describe, expect, it } from 'vitest';
import type { OptimizerConfig } from '../src/shared/config/schema.js';
import { Session } from '../src/shared/engine/session.js';
import { tf } from '../src/shared/engine/tensorflow.js';
import { clipped, decayed, globalNorm } from '../src/shared/optimizer/gradient.js';
import { optimizer, optimizerFeeds, slotNames } from '../src/shared/optimizer/optimizer.js';
import { draws, expectClose } from './numeric.js';

const sgd = (nesterov: boolean): OptimizerConfig => ({
  kind: 'sgd',
  momentum: 0.9,
  nesterov,
  weightDecay: 0,
});
const adam: OptimizerConfig = { kind: 'adam', beta1: 0.9, beta2: 0.999, epsilon: 1e-3, weightDecay: 0 };

const size = 6;
const steps = 5;
const initial = draws(size, 'weight');
const gradientAt = (step: number) => draws(size, `gradient ${step}`);
/** It changes, since momentum with the rate inside would then show. */
const rateAt = (step: number) => 0.1 / step;

/** The weights after `steps` steps, each weight by itself in float64. */
function trajectory(
  next: (weight: number, gradient: number, rate: number, step: number, slots: number[]) => number,
) {
  return Array.from(initial, (start, i) => {
    const slots = [0, 0];
    let weight = start;
    for (let step = 1; step <= steps; step++) {
      weight = next(weight, gradientAt(step)[i]!, rateAt(step), step, slots);
    }
    return weight;
  });
}

const cases: [string, OptimizerConfig, number[]][] = [
  [
    'SGD with Nesterov momentum',
    sgd(true),
    trajectory((weight, gradient, rate, _, slots) => {
      slots[0] = 0.9 * slots[0]! + gradient;
      return weight - rate * (gradient + 0.9 * slots[0]!);
    }),
  ],
  [
    'SGD with momentum',
    sgd(false),
    trajectory((weight, gradient, rate, _, slots) => {
      slots[0] = 0.9 * slots[0]! + gradient;
      return weight - rate * slots[0]!;
    }),
  ],
  [
    'Adam',
    adam,
    trajectory((weight, gradient, rate, step, slots) => {
      slots[0] = 0.9 * slots[0]! + 0.1 * gradient;
      slots[1] = 0.999 * slots[1]! + 0.001 * gradient ** 2;
      // Kingma and Ba's algorithm 1 with the bias corrections written out, ε̂ = ε·√(1 − β₂ᵗ) beside the corrected root.
      const m = slots[0]! / (1 - 0.9 ** step);
      const second = 1 - 0.999 ** step;
      return weight - (rate * m) / (Math.sqrt(slots[1]! / second) + 1e-3 / Math.sqrt(second));
    }),
  ],
];

describe('an optimiser', () => {
  it.each(cases)('%s follows its formula', async (_, config, expected) => {
    const session = new Session({ precision: 'float32', device: 'cpu' });
    try {
      const weight = session.variable('weight', 'float32', [size]);
      const slots = slotNames(config).map((name) => session.variable(name, 'float32', [size]));
      const zeros = slots.map((slot) => [slot, new Float64Array(size)] as const);
      await session.assign(new Map([[weight, initial], ...zeros]));
      const apply = session.trace('apply', (t) => {
        optimizer(t, config)(weight, slots, t.input('gradient', 'float32', [size]));
        return {};
      });
      for (let step = 1; step <= steps; step++) {
        await apply.run({ gradient: gradientAt(step), ...optimizerFeeds(config, rateAt(step), step) });
      }
      const [value] = await session.read([weight]);
      expectClose(tf.tensor1d(value!.floats.slice()), expected, 2e-6);
      value!.free();
    } finally {
      await session.close();
    }
  });
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
  // ‖(3, 0, 0, 4, 12)‖ = 13.
  const gradients = () => [tf.tensor2d([3, 0, 0, 4], [2, 2]), tf.tensor1d([12])];

  it('measures all gradients together', () => {
    expect(globalNorm(gradients()).dataSync()[0]).toBeCloseTo(13, 5);
  });

  it('scales all of them down to the limit', () => {
    const [first, second] = clipped(gradients(), tf.scalar(13), 6.5);
    expectClose(first!, [1.5, 0, 0, 2], 1e-6);
    expectClose(second!, [6], 1e-6);
  });

  it.each([13, 20])('leaves them alone within a limit of %i', (limit) => {
    const [first, second] = clipped(gradients(), tf.scalar(13), limit);
    expect([...first!.dataSync(), ...second!.dataSync()]).toEqual([3, 0, 0, 4, 12]);
  });

  it('leaves zeros zero', () => {
    const [gradient] = clipped([tf.zeros([2])], tf.scalar(0), 1);
    expect([...gradient!.dataSync()]).toEqual([0, 0]);
  });
});
