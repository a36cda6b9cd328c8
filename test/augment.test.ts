/** Augmentation in the graph against torchvision and Keras on the same parameters: see augment/reference.py. */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import type { Tensor4D } from '@tensorflow/tfjs-node-gpu';
import { afterEach, describe, expect, it } from 'vitest';
import { cropInto } from '../src/shared/augment/crop.js';
import type { Augmentation } from '../src/shared/augment/draw.js';
import { encoded } from '../src/shared/augment/parameters.js';
import { augmentSchema } from '../src/shared/config/augment.js';
import { imageBytes } from '../src/shared/data/cifar.js';
import { Session } from '../src/shared/engine/session.js';
import { tf } from '../src/shared/engine/tensorflow.js';
import { convolution } from '../src/shared/model/ops/convolution.js';
import { images } from '../src/worker/functions/images.js';

interface Reference {
  /** Base64, uint8 [2,32,32,3]. */
  readonly images: string;
  readonly normalization: { readonly mean: [number, number, number]; readonly std: [number, number, number] };
  readonly cases: readonly {
    readonly name: string;
    readonly config: unknown;
    /** For the first image, the second, and so on in turn. */
    readonly drawn: readonly Augmentation[];
    /** Base64, uint16 [drawn,32,32,3], 128 for a grey level. */
    readonly expected: string;
  }[];
}

const file = new URL('augment/reference.json.gz', import.meta.url);
const reference = JSON.parse(gunzipSync(readFileSync(file)).toString()) as Reference;
const sources = Buffer.from(reference.images, 'base64');

const sessions: Session[] = [];
afterEach(async () => {
  for (const session of sessions.splice(0)) await session.close();
});

/** Images as a training step sees them, brought back to grey levels. */
async function augmented(
  { name, config, drawn }: Reference['cases'][number],
  precision: 'float32' | 'bfloat16' = 'float32',
): Promise<Float32Array> {
  const augment = augmentSchema.parse(config);
  const { mean, std } = reference.normalization;
  const pixels = new Uint8Array(drawn.length * imageBytes);
  for (const [i, one] of drawn.entries()) {
    const from = (i % 2) * imageBytes;
    const out = pixels.subarray(i * imageBytes, (i + 1) * imageBytes);
    cropInto(sources.subarray(from, from + imageBytes), out, one, augment.fill);
  }
  const session = new Session({ precision, device: 'cpu' });
  sessions.push(session);
  const traced = session.trace(name, (t) => {
    const model = { normalization: { mean, std } };
    const input: Tensor4D = images(t, { count: drawn.length, model, augment });
    const kernel = tf.fill([3, 3, 3, 64], 0.1) as Tensor4D;
    return {
      pixels: tf.mul(tf.add(tf.mul(input, tf.tensor1d(std)), tf.tensor1d(mean)), 255),
      // What follows in a step, and what is computed in bfloat16.
      convolved: convolution(tf.relu(convolution(input, kernel, 1)), tf.fill([3, 3, 64, 64], 0.1), 1),
    };
  });
  const outputs = await traced.run({ images: pixels, ...encoded(drawn, augment) });
  const found = outputs.pixels!.floats.slice();
  for (const output of Object.values(outputs)) output.free();
  return found;
}

describe('augmentation', () => {
  it.each(reference.cases)('is that of $name', async (one) => {
    const found = await augmented(one);
    const bytes = Buffer.from(one.expected, 'base64');
    let largest = 0;
    for (const [i, value] of found.entries()) {
      largest = Math.max(largest, Math.abs(value - bytes.readUInt16LE(2 * i) / 128));
    }
    expect(found.length).toBe(bytes.length / 2);
    // Half of the fixture's last digit is 0.004; the rest is float32's rounding, of coordinates too.
    expect(largest).toBeLessThan(0.01);
  });

  it('is computed in float32 in a run in bfloat16, too', async () => {
    for (const name of ["SupContrast's pipeline", 'keras RandomRotation, fill reflect']) {
      const one = reference.cases.find((other) => other.name === name)!;
      expect(await augmented(one, 'bfloat16')).toEqual(await augmented(one));
    }
  });
});
