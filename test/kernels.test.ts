/** TensorFlow operations of our own, in graphs, where they may take their inputs' memory, and on several threads. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Tensor, Tensor1D, Tensor4D } from '@tensorflow/tfjs-node-gpu';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Graph } from '../src/shared/engine/graph.js';
import { Session } from '../src/shared/engine/session.js';
import type { Precision } from '../src/shared/engine/session-config.js';
import { OutStream } from '../src/shared/engine/stream.js';
import { tf } from '../src/shared/engine/tensorflow.js';
import { type BatchNormWays, batchNormalization } from '../src/shared/model/ops/batch-normalization.js';
import { convolution } from '../src/shared/model/ops/convolution.js';
import { fusedBatchNorm } from '../src/shared/model/ops/fused-batch-norm.js';
import type { Activation } from '../src/shared/model/ops/relu.js';
import { packageRoot } from '../src/shared/package-root.js';
import { draws } from './numeric.js';

const sessions: Session[] = [];
afterEach(async () => {
  for (const session of sessions.splice(0)) await session.close();
});

/** 2,304 rows of 40 channels: three parts, the last of which is shorter, and channels that fill no vector. */
const shape: readonly number[] = [4, 24, 24, 40];
const size = shape.reduce((a, b) => a * b, 1);
const epsilon = 1e-3;

/** The relative distance of two vectors, by their norms. */
function distance(found: Float32Array, expected: Float32Array): number {
  let [squares, all] = [0, 0];
  for (const [i, value] of expected.entries()) {
    squares += (found[i]! - value) ** 2;
    all += value ** 2;
  }
  return Math.sqrt(squares / all);
}

interface Example {
  readonly relu: boolean;
  readonly hasShortcut: boolean;
}
const examples: readonly Example[] = [
  { relu: false, hasShortcut: false },
  { relu: true, hasShortcut: false },
  { relu: true, hasShortcut: true },
];

/** BatchNorm between two convolutions, with the gradients of all that goes in. */
async function computed(
  precision: Precision,
  ways: BatchNormWays,
  { relu, hasShortcut }: Example,
): Promise<Record<string, Float32Array>> {
  const session = new Session({ precision, device: 'cpu' });
  sessions.push(session);
  const traced = session.trace('kernels', (trace) => {
    const inputs = [
      trace.input('x', 'float32', shape),
      trace.input('kernel', 'float32', [3, 3, 40, 40]),
      trace.input('gamma', 'float32', [40]),
      trace.input('beta', 'float32', [40]),
      trace.input('shortcut', 'float32', shape),
    ];
    const direction = trace.input('direction', 'float32', shape);
    const kept: Tensor[] = [];
    const loss = (...given: Tensor[]) => {
      const [x, kernel, gamma, beta, side] = given as [Tensor4D, Tensor4D, Tensor1D, Tensor1D, Tensor4D];
      const conv = (image: Tensor4D) => convolution(image, kernel, 1);
      const after: Activation = relu ? { relu, shortcut: hasShortcut ? conv(side) : undefined } : { relu };
      const { y, mean, variance } = batchNormalization(conv(x), gamma, beta, epsilon, ways, after);
      const output = conv(y);
      kept.push(tf.keep(output), tf.keep(mean), tf.keep(variance));
      return tf.sum(tf.mul(output, direction));
    };
    const gradients = tf.grads(loss)(hasShortcut ? inputs : inputs.slice(0, 4));
    const [output, mean, variance] = kept as [Tensor, Tensor, Tensor];
    const all = {
      output,
      mean,
      variance,
      ...Object.fromEntries(gradients.map((g, i) => [`gradient ${i}`, g])),
    };
    // What gives a result itself is left in float32.
    return Object.fromEntries(Object.entries(all).map(([name, tensor]) => [name, tf.mul(tensor, 0.5)]));
  });
  const outputs = await traced.run({
    x: Float32Array.from(draws(size, 'x'), (value) => value + 3),
    kernel: Float32Array.from(draws(9 * 40 * 40, 'kernel'), (value) => value / 19),
    gamma: Float32Array.from(draws(40, 'gamma'), (value) => 1 + value / 4),
    beta: Float32Array.from(draws(40, 'beta')),
    shortcut: Float32Array.from(draws(size, 'shortcut')),
    direction: Float32Array.from(draws(size, 'direction')),
  });
  return Object.fromEntries(
    Object.entries(outputs).map(([name, output]) => {
      const values = output.floats.slice();
      output.free();
      return [name, values];
    }),
  );
}

describe.each(examples)('BatchNorm with ReLU: $relu, with a shortcut: $hasShortcut', (example) => {
  it("is TensorFlow's in float32", async () => {
    const expected = await computed('float32', {}, example);
    const added = vi.spyOn(Graph.prototype, 'add');
    const found = await computed('float32', { fused: true }, example);
    const types = added.mock.calls.map(([type]) => type);
    added.mockRestore();
    expect(types).toEqual(expect.arrayContaining(['LockstepBatchNorm', 'LockstepBatchNormGrad']));
    expect(types.join()).not.toMatch(/FusedBatchNorm|Relu/);
    expect(Object.keys(found)).toEqual(Object.keys(expected));
    for (const [name, values] of Object.entries(expected))
      expect(distance(found[name]!, values), name).toBeLessThan(1e-5);
  });

  it('is computed in bfloat16 between convolutions that are', async () => {
    const expected = await computed('float32', {}, example);
    const found = await computed('bfloat16', { fused: true }, example);
    const theirs = await computed('bfloat16', {}, example);
    for (const [name, values] of Object.entries(expected)) {
      const error = distance(found[name]!, values);
      const rounding = distance(theirs[name]!, values);
      // A gradient has rounded values' signs in it, too. Cut off instead of rounded, the output would be at 1.1 to 1.15.
      expect(error, name).toBeLessThan((name === 'output' ? 1.05 : 1.2) * rounding);
      if (name === 'output') expect(error).toBeGreaterThan(0.8 * rounding);
    }
  });
});

it('BatchNorm leaves its place in bfloat16 as it is, and statistics in float32', async () => {
  const session = new Session({ precision: 'bfloat16', device: 'cpu' });
  sessions.push(session);
  const out = new OutStream(session, 'values');
  const traced = session.trace('types', (t) => {
    const x = t.input('x', 'float32', shape) as Tensor4D;
    const kernel = t.input('kernel', 'float32', [3, 3, 40, 40]) as Tensor4D;
    const after = { relu: true } as const;
    const { y, mean } = fusedBatchNorm(
      convolution(x, kernel, 1),
      tf.ones([40]),
      tf.zeros([40]),
      epsilon,
      after,
    );
    t.send(out, { from: 0, what: 0 }, y);
    t.send(out, { from: 0, what: 1 }, mean);
    return { last: tf.sum(convolution(y, kernel, 1)) };
  });
  const running = traced.run({ x: new Float32Array(size), kernel: new Float32Array(9 * 40 * 40) });
  const types = new Map<number, string>();
  for (let i = 0; i < 2; i += 1) {
    const { what, value } = await out.take();
    types.set(what, value.dtype);
    value.free();
  }
  (await running).last!.free();
  expect([types.get(0), types.get(1)]).toEqual(['bfloat16', 'float32']);
});

it.each([false, true])(
  'a step with momentum follows its formula, in several parts (Nesterov: %s)',
  async (nesterov) => {
    const session = new Session({ precision: 'float32', device: 'cpu' });
    sessions.push(session);
    const count = 150_001;
    const [rate, momentum, decay] = [0.125, 0.5, 0.25];
    const traced = session.trace('momentum', (t) => {
      const inputs = ['w', 'v', 'g'].map((name) => t.input(name, 'float32', [count]));
      const attributes = {
        decay: { kind: 'float', value: decay },
        nesterov: { kind: 'bool', value: nesterov },
      } as const;
      const scalars = [tf.scalar(rate), tf.scalar(momentum)];
      const [weight, velocity] = t.op('LockstepMomentum', [...inputs, ...scalars], attributes);
      return { weight: weight!, velocity: velocity! };
    });
    const [w, v, g] = ['w', 'v', 'g'].map((name) => Float32Array.from(draws(count, name))) as [
      Float32Array,
      Float32Array,
      Float32Array,
    ];
    const { weight, velocity } = await traced.run({ w, v, g });
    const speed = v.map((value, i) => momentum * value + g[i]! + decay * w[i]!);
    const step = nesterov ? speed.map((value, i) => g[i]! + decay * w[i]! + momentum * value) : speed;
    expect(distance(velocity!.floats, speed)).toBeLessThan(1e-6);
    expect(
      distance(
        weight!.floats,
        w.map((value, i) => value - rate * step[i]!),
      ),
    ).toBeLessThan(1e-6);
    weight!.free();
    velocity!.free();
  },
);

/** Prints a digest of what both operations give, with gradients; the folder of the compiled sources is its argument. */
const program = `
  import { createHash } from 'node:crypto';
  const from = (file) => import(new URL(file, process.argv[1]));
  const { tf } = await from('shared/engine/tensorflow.js');
  const { Session } = await from('shared/engine/session.js');
  const { fusedBatchNorm } = await from('shared/model/ops/fused-batch-norm.js');
  const shape = [8, 24, 24, 40];
  const numbers = (count, seed) => Float32Array.from({ length: count }, (_, i) => i % 97 === 5 ? 1e-40 : Math.sin(seed + 12.9898 * i));
  const session = new Session({ precision: 'float32', device: 'cpu' });
  const count = 200_001;
  const traced = session.trace('bits', (t) => {
    const [x, shortcut, dy] = ['x', 'shortcut', 'dy'].map((name) => t.input(name, 'float32', shape));
    const [gamma, beta] = ['gamma', 'beta'].map((name) => t.input(name, 'float32', [40]));
    const [weight, velocity, gradient] = ['w', 'v', 'g'].map((name) => t.input(name, 'float32', [count]));
    const outputs = {};
    for (const [name, after] of Object.entries({ none: { relu: false }, relu: { relu: true }, sum: { relu: true, shortcut } })) {
      const kept = [];
      const loss = (x, gamma, beta) => {
        const { y, mean, variance } = fusedBatchNorm(x, gamma, beta, 1e-3, after);
        kept.push(tf.keep(y), tf.keep(mean), tf.keep(variance));
        return tf.sum(tf.mul(y, dy));
      };
      for (const [i, tensor] of [...tf.grads(loss)([x, gamma, beta]), ...kept].entries()) outputs[name + i] = tensor;
    }
    const scalars = [tf.scalar(0.1), tf.scalar(0.9)];
    const attributes = { decay: { kind: 'float', value: 1e-2 }, nesterov: { kind: 'bool', value: true } };
    [outputs.newWeight, outputs.newVelocity] =
      t.op('LockstepMomentum', [weight, velocity, gradient, ...scalars], attributes);
    return outputs;
  });
  const size = shape.reduce((a, b) => a * b, 1);
  const outputs = await traced.run({
    x: numbers(size, 1), shortcut: numbers(size, 2), dy: numbers(size, 3), gamma: numbers(40, 4), beta: numbers(40, 5),
    w: numbers(count, 6), v: numbers(count, 7), g: numbers(count, 8),
  });
  const digest = createHash('sha256');
  for (const [name, output] of Object.entries(outputs)) { digest.update(name).update(output.floats); output.free(); }
  await session.close();
  process.stdout.write(digest.digest('hex'));
`;

it('gives the same bits on any number of threads, and with any width of vectors', () => {
  const compiled = pathToFileURL(`${join(packageRoot, 'dist')}/`).href;
  const ways: readonly (readonly [threads: number, lanes: number])[] = [
    [1, 16],
    [2, 16],
    [5, 8],
    [1, 4],
  ];
  const bits = ways.map(([threads, lanes]) =>
    execFileSync(process.execPath, ['--input-type=module', '-e', program, compiled], {
      encoding: 'utf8',
      timeout: 60_000,
      env: {
        ...process.env,
        TF_NUM_INTRAOP_THREADS: String(threads),
        LOCKSTEP_LANES: String(lanes),
        TF_CPP_MIN_LOG_LEVEL: '3',
      },
    }),
  );
  expect(bits[0]).toMatch(/^[0-9a-f]{64}$/);
  expect(new Set(bits).size).toBe(1);
});
