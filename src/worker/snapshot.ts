/** The replica's tensors on their way to and from the coordinator, which writes and reads checkpoints. */

import type { Proof, TensorSpec } from '../shared/protocol/messages.js';
import type { CoordinatorLink } from './coordinator-link.js';
import type { Replica } from './replica.js';

/** All tensors as they are now, copied: the next step may change the replica, and ZeroMQ reads long after `send`. */
export class Snapshot {
  private constructor(
    private readonly tensors: readonly (TensorSpec & { readonly bytes: Uint8Array })[],
    private readonly proof: Proof,
  ) {}

  static async take(replica: Replica, proof: Proof): Promise<Snapshot> {
    const { tensors } = replica;
    const values = await replica.read();
    const copies = values.map((value, i) => {
      const { file, variable } = tensors[i]!;
      const { buffer, byteOffset, byteLength } = value.data;
      const bytes = new Uint8Array(buffer, byteOffset, byteLength).slice();
      value.free();
      return { file, name: variable.name, shape: [...variable.shape], bytes };
    });
    return new Snapshot(copies, proof);
  }

  /** Announces all, then sends them one by one; steps may go on meanwhile. */
  async send(link: CoordinatorLink): Promise<void> {
    const announced = this.tensors.map(({ file, name, shape }) => ({ file, name, shape }));
    await link.send({ type: 'snapshot', tensors: announced, ...this.proof });
    for (const { name, bytes } of this.tensors) await link.send({ type: 'tensor', name }, bytes);
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
