/** What a run in bfloat16 computes in bfloat16. */
import type { Tensor1D, Tensor2D, Tensor4D } from '@tensorflow/tfjs-node-gpu';
import { afterEach, describe, expect, it } from 'vitest';
import { parseConfig } from '../src/shared/config/parse.js';
import { elementCount } from '../src/shared/engine/dtype.js';
import { HostTensor, liveHostTensors } from '../src/shared/engine/host-tensor.js';
import { Session } from '../src/shared/engine/session.js';
import type { Precision } from '../src/shared/engine/session-config.js';
import { OutStream } from '../src/shared/engine/stream.js';
import { tf } from '../src/shared/engine/tensorflow.js';
import { npairsGradient } from '../src/shared/loss/npairs.js';
import { buildModel, imageShape, type Model } from '../src/shared/model/model.js';
import { convolution } from '../src/shared/model/ops/convolution.js';
import { dense } from '../src/shared/model/ops/dense.js';
import type { Scope } from '../src/shared/model/scope.js';
import { setInto } from '../src/worker/exchange/add.js';
import { feedsOf } from '../src/worker/functions/forward-backward.js';
import { inferenceScope } from '../src/worker/functions/scope.js';
import { LocalSums } from '../src/worker/local-sums.js';
import { Replica } from '../src/worker/replica.js';
import { StageProgram } from '../src/worker/stage-program.js';
import { stageShape } from '../src/worker/stage-shape.js';
import { SumMemory } from '../src/worker/sum-memory.js';
import { bits, upperHalves, widened } from './allreduce-fixture.js';
import { reduceTree } from './reduce-tree.js';

const rows = 16;
const sessions: Session[] = [];
afterEach(async () => {
  for (const session of sessions.splice(0)) await session.close();
});

/** Numbers of more bits than bfloat16 has. */
const spread = (length: number, seed: number) =>
  Float32Array.from({ length }, (_, i) => Math.sin(seed + 12.9898 * i));

async function computed(precision: Precision): Promise<Record<string, Float32Array>> {
  const session = new Session({ precision, device: 'cpu' });
  sessions.push(session);
  const traced = session.trace('precision', (trace) => {
    const image = trace.input('image', 'float32', [rows, 4, 4, 8]) as Tensor4D;
    const pointwise = trace.input('pointwise', 'float32', [1, 1, 8, 8]) as Tensor4D;
    const window = trace.input('window', 'float32', [3, 3, 8, 8]) as Tensor4D;
    const head = trace.input('head', 'float32', [8, 8]) as Tensor2D;
    const embeddings = trace.input('embeddings', 'float32', [rows, 8]) as Tensor2D;
    const labels = tf.tensor1d(
      Array.from({ length: rows }, (_, i) => i % 3),
      'int32',
    );
    const bias = tf.zeros([8]) as Tensor1D;
    const projected = dense(tf.relu(dense(embeddings, head, bias)), head, bias);
    const V = tf.div(projected, tf.norm(projected, 2, 1, true)) as Tensor2D;
    const { loss, dV } = npairsGradient(V, labels, 0.05);
    // Products come one after the other: TensorFlow leaves a lone one in float32.
    const twice = (kernel: Tensor4D) => convolution(tf.relu(convolution(image, kernel, 1)), kernel, 1);
    return {
      // The first becomes products of matrices, the other doesn't.
      pointwise: tf.relu(twice(pointwise)),
      windows: tf.relu(twice(window)),
      heads: tf.relu(projected),
      loss,
      gradient: tf.relu(dV),
    };
  });
  const outputs = await traced.run({
    image: spread(rows * 128, 1),
    pointwise: spread(64, 2),
    window: spread(9 * 64, 5).map((weight) => weight / 9),
    head: spread(64, 3),
    embeddings: spread(rows * 8, 4),
  });
  return Object.fromEntries(
    Object.entries(outputs).map(([name, output]) => {
      const values = output.floats.slice();
      output.free();
      return [name, values];
    }),
  );
}

describe('a run in bfloat16', () => {
  it("computes convolutions in it; heads and objectives have float32's rounding errors", async () => {
    const [found, expected] = [await computed('bfloat16'), await computed('float32')];
    for (const [name, exact] of Object.entries(expected)) {
      const largest = Math.max(...found[name]!.map((value, i) => Math.abs(value - exact[i]!)));
      const [least, most] = name === 'pointwise' || name === 'windows' ? [1e-4, 0.1] : [0, 1e-5];
      expect(largest, name).toBeGreaterThanOrEqual(least);
      expect(largest, name).toBeLessThan(most);
    }
  });

  it("has no use of Winograd's algorithm, whose rounding errors are larger; float32 has", () => {
    const uses = (precision: Precision) => {
      const session = new Session({ precision, device: 'cpu' });
      sessions.push(session);
      const replica = new Replica(session, { parameters: [], statistics: [] } as unknown as Model);
      let ways: Scope['convolution'];
      session.trace('scope', (trace) => {
        ways = inferenceScope(trace, replica).convolution;
        return { nothing: trace.constant(tf.scalar(0)) };
      });
      return ways?.smallImages;
    };
    expect(uses('bfloat16')).toBe('kernelGradient');
    expect(uses('float32')).toBe('winograd');
  });
});

describe('a stream of a session in bfloat16', () => {
  it('brings what was computed in bfloat16 as such, and float32 as float32', async () => {
    const traced = async (precision: 'float32' | 'bfloat16') => {
      const session = new Session({ precision, device: 'cpu' });
      try {
        const out = new OutStream(session, 'values');
        const run = session.trace('values', (t) => {
          const x = t.input('x', 'float32', [4, 8, 8, 8]) as Tensor4D;
          const kernel = t.input('kernel', 'float32', [3, 3, 8, 8]) as Tensor4D;
          const y = convolution(tf.relu(convolution(x, kernel, 1)), kernel, 1);
          t.send(out, { from: 0, what: 0 }, y);
          t.send(out, { from: 0, what: 1 }, tf.sum(x));
          t.send(out, { from: 0, what: 2 }, tf.reshape(kernel, [72, 8]));
          return {};
        });
        const running = run.run({ x: spread(4 * 8 * 8 * 8, 1), kernel: spread(9 * 64, 2) });
        const values = new Map<number, { dtype: string; shape: string; floats: Float32Array }>();
        for (let i = 0; i < 3; i += 1) {
          const { what, value } = await out.take();
          const floats = new Float32Array(value.values.length);
          setInto(floats, value.values);
          values.set(what, { dtype: value.dtype, shape: `${value.shape}`, floats });
          value.free();
        }
        await running;
        return values;
      } finally {
        await session.close();
      }
    };
    const before = liveHostTensors();
    const [half, whole] = [await traced('bfloat16'), await traced('float32')];
    expect(liveHostTensors()).toBe(before);
    expect([...half].sort().map(([what, { dtype, shape }]) => `${what}: ${dtype} [${shape}]`)).toEqual([
      '0: bfloat16 [4,8,8,8]',
      '1: float32 []',
      '2: float32 [72,8]',
    ]);
    for (const what of [1, 2]) expect(half.get(what)!.floats).toEqual(whole.get(what)!.floats);
    const [found, exact] = [half.get(0)!.floats, whole.get(0)!.floats];
    const largest = Math.max(...found.map((value, i) => Math.abs(value - exact[i]!)));
    expect(largest).toBeGreaterThan(1e-4);
    expect(largest).toBeLessThan(0.1 * Math.max(...exact.map(Math.abs)));
  });
});

describe("a step's gradients in bfloat16", () => {
  it('leave as they were computed: in bfloat16 where convolutions gave them, else with all bits of float32', async () => {
    const config = parseConfig(
      {
        name: 'gradients',
        data: { dataset: 'sample' },
        model: { encoder: 'tiny', classifier: {} },
        batch: { microBatches: 1, microBatchSize: rows },
        precision: 'bfloat16',
        stages: [
          {
            ...{ name: 'train', objective: 'softmax', epochs: 1 },
            optimizer: { kind: 'sgd' },
            learningRate: { decay: 'constant', peak: 0.01 },
          },
        ],
      },
      'test',
    );
    const session = new Session({ precision: 'bfloat16', device: 'cpu' });
    sessions.push(session);
    const replica = new Replica(session, buildModel(config.model));
    await replica.initialize(1);
    const { slots, buckets, shape } = await StageProgram.compile(
      replica,
      stageShape(config, replica.model, 0),
      config.exchange.bucketBytes,
    );
    const images = spread(rows * elementCount(imageShape), 1).map((x) => 127 * x + 127);
    const batch = {
      images: Uint8Array.from(images),
      labels: Int32Array.from({ length: rows }, (_, i) => i % 10),
      dropoutSeed: Int32Array.of(0, 0),
    };
    const shapes = new Map(replica.model.parameters.map(({ name, shape }) => [name, shape]));
    const running = slots.run(0, feedsOf(shape, batch));
    const seen = { bfloat16: 0, float32: 0 };
    for (let left = slots.messages.length; left > 0; left -= 1) {
      const { message, value } = await slots.take();
      if (message.kind !== 'bucket') throw new Error(`${message.kind} came`);
      const { entries } = buckets[message.bucket]!;
      for (const { name, offset, size } of entries) {
        const isConvolution = shapes.get(name)?.length === 4;
        expect(value.dtype, name).toBe(isConvolution ? 'bfloat16' : 'float32');
        if (isConvolution) seen.bfloat16 += 1;
        else if (size > 8) {
          seen.float32 += 1;
          const lower = new Uint32Array(value.floats.slice(offset, offset + size).buffer).map(
            (bits) => bits & 0xffff,
          );
          expect(
            lower.some((bits) => bits !== 0),
            name,
          ).toBe(true);
        }
      }
      value.free();
    }
    await running;
    expect(seen.bfloat16).toBeGreaterThan(2);
    expect(seen.float32).toBeGreaterThan(4);
  });
});

describe("a worker's own sums", () => {
  const size = 100;
  const memory = new SumMemory([size]);
  const halves = [1, 2].map((seed) => upperHalves(spread(size, seed)));
  const leaves = [widened(halves[0]!), widened(halves[1]!), spread(size, 3), spread(size, 4)];
  /** Leaves 0 and 1 are bfloat16. */
  const tensor = (leaf: number): HostTensor =>
    leaf < halves.length
      ? HostTensor.from('bfloat16', [size], halves[leaf]!)
      : HostTensor.from('float32', [size], leaves[leaf]!);

  it.each([[[0, 1, 2, 3]], [[2, 0, 1, 3]], [[2, 3, 0, 1]], [[0, 1, 0, 1]]])(
    'are those of float32, whichever leaf is bfloat16, and free what they were made of: %s',
    (order) => {
      const kept = memory.of(0);
      const before = liveHostTensors();
      const sums = new LocalSums(1, 4, memory);
      for (const [k, leaf] of order.entries()) sums.put(0, k, tensor(leaf));
      const expected = reduceTree(
        4,
        (k) => leaves[order[k]!]!,
        (a, b) => a.map((x, i) => x + b[i]!),
      );
      const [sum] = sums.finish();
      expect(bits(sum!.floats).equals(bits(expected))).toBe(true);
      sum!.free();
      expect(liveHostTensors()).toBe(before);
      expect(memory.of(0)).toBe(kept);
    },
  );

  it('of bfloat16 leaves have float32 memory for what everybody sums, the same in every step', () => {
    const kept = memory.of(0);
    expect(kept.byteLength).toBe(4 * size);
    const before = liveHostTensors();
    for (let step = 0; step < 2; step += 1) {
      const sums = new LocalSums(1, 4, memory);
      sums.put(0, 1, tensor(0));
      sums.put(0, 2, tensor(1));
      const output = sums.output(0);
      expect(output.floats).toBe(kept);
      expect(sums.output(0)).toBe(output);
      expect(sums.finish()).toEqual([output]);
      output.free();
      expect(liveHostTensors()).toBe(before);
    }
  });

  it('leave their memory to who may still read it after a failure', () => {
    const kept = memory.of(0);
    const sums = new LocalSums(1, 2, memory);
    sums.put(0, 0, tensor(0));
    sums.output(0).floats.fill(3);
    sums.abandon();
    expect(memory.of(0)).not.toBe(kept);
    memory.of(0).fill(4);
    expect(kept.every((value) => value === 3)).toBe(true);
  });
});
