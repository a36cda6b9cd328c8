/** The replica's tensors on their way to and from the coordinator, which writes and reads checkpoints. */

import type { TracedFunction } from '../shared/engine/traced-function.js';
import type { CoordinatorLink } from './coordinator-link.js';
import { fingerprint } from './functions/fingerprint.js';
import type { Replica } from './replica.js';

/** Announces all tensors, then sends them one by one. */
export async function sendSnapshot(
  link: CoordinatorLink,
  replica: Replica,
  traced: TracedFunction,
): Promise<void> {
  const { tensors } = replica;
  await link.send({
    type: 'snapshot',
    tensors: tensors.map(({ file, variable }) => ({ file, name: variable.name, shape: [...variable.shape] })),
    fingerprint: await fingerprint(traced),
  });
  const values = await replica.read();
  try {
    for (const [i, value] of values.entries()) {
      // A copy: ZeroMQ reads the memory long after `send` resolves, and this belongs to TensorFlow.
      const bytes = new Uint8Array(value.data.buffer as ArrayBuffer).slice();
      await link.send({ type: 'tensor', name: tensors[i]!.variable.name }, bytes);
    }
  } finally {
    for (const value of values) value.free();
  }
}

/** Takes `count` tensors that the coordinator sends, in place of the replica's. */
export async function receiveTensors(link: CoordinatorLink, replica: Replica, count: number): Promise<void> {
  const tensors = new Map<string, Float32Array>();
  for (let i = 0; i < count; i += 1) {
    const { message, frames } = await link.expect('tensor');
    const bytes = Buffer.concat(frames);
    const copy = new ArrayBuffer(bytes.byteLength);
    new Uint8Array(copy).set(bytes);
    tensors.set(message.name, new Float32Array(copy));
  }
  await replica.load(tensors);
}
