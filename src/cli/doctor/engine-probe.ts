/** Loads TensorFlow and computes a small graph in float32 and in what the device has of 16 bits: a process of its own, since it may crash or hang. */
import process from 'node:process';
import type { Tensor2D } from '@tensorflow/tfjs-node-gpu';
import { readInstallation } from '../../shared/engine/installation.js';
import type { Precision } from '../../shared/engine/session-config.js';

const size = 1024;
const repeats = 4;
/** Powers of two all the way: exact in any precision. */
const expected = 2 * size ** 2;
// Training leaves products of matrices in float32; here they stand for convolutions.
process.env.TF_AUTO_MIXED_PRECISION_GRAPH_REWRITE_ALLOWLIST_REMOVE ??= '';
const began = performance.now();
const { Session } = await import('../../shared/engine/session.js');
const { tf } = await import('../../shared/engine/tensorflow.js');
const { kind } = readInstallation();
const device = kind === 'gpu' && process.env.CUDA_VISIBLE_DEVICES !== '' ? 'gpu' : 'cpu';

/** @throws Error when a product is wrong. @returns GFLOP/s */
async function matrixProducts(precision: Precision): Promise<number> {
  const session = new Session({ precision, device });
  try {
    // TensorFlow leaves what is fetched in float32, so the products come before it.
    const products = session.trace('products', (trace) => {
      const b = trace.input('b', 'float32', [size, size]) as Tensor2D;
      const first = tf.matMul(trace.input('a', 'float32', [size, size]) as Tensor2D, b);
      return { sum: tf.sum(tf.relu(tf.matMul(tf.relu(first), b))) };
    });
    const a = new Float32Array(size * size).fill(0.5);
    const b = new Float32Array(size * size).fill(2 / size);
    let best = Number.POSITIVE_INFINITY;
    // The first run also optimises the graph.
    for (let run = 0; run <= repeats; run += 1) {
      const start = performance.now();
      const { sum } = await products.run({ a, b });
      const ms = performance.now() - start;
      const value = sum!.scalar;
      sum!.free();
      if (value !== expected) throw new Error(`products in ${precision} come to ${value}, not ${expected}`);
      if (run > 0) best = Math.min(best, ms);
    }
    return (4 * size ** 3) / best / 1e6;
  } finally {
    await session.close();
  }
}

const float32 = await matrixProducts('float32');
const loadMs = performance.now() - began;
const half = device === 'gpu' ? 'float16' : 'bfloat16';
const matmulGflops = { float32, [half]: await matrixProducts(half) };
const peakRssBytes = process.resourceUsage().maxRSS * 1024;
process.stdout.write(`\nprobe:${JSON.stringify({ loadMs, peakRssBytes, matmulGflops })}\n`, () =>
  process.exit(0),
);
