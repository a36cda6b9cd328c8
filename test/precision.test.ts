/** What a run in bfloat16 computes in bfloat16. */
import type { Tensor1D, Tensor2D, Tensor4D } from '@tensorflow/tfjs-node-gpu';
import { afterEach, describe, expect, it } from 'vitest';
import { Session } from '../src/shared/engine/session.js';
import type { Precision } from '../src/shared/engine/session-config.js';
import { tf } from '../src/shared/engine/tensorflow.js';
import { npairsGradient } from '../src/shared/loss/npairs.js';
import type { Model } from '../src/shared/model/model.js';
import { convolution } from '../src/shared/model/ops/convolution.js';
import { dense } from '../src/shared/model/ops/dense.js';
import type { Scope } from '../src/shared/model/scope.js';
import { inferenceScope } from '../src/worker/functions/scope.js';
import { Replica } from '../src/worker/replica.js';

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
