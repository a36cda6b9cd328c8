/** A worker's tensors, one after the other. */
import type { TensorSpec } from '../shared/protocol/messages.js';
import type { WorkerConnection } from './worker-connection.js';
import type { WorkerGroup } from './worker-group.js';

export class IncomingSnapshot {
  #left: number;

  private constructor(
    private readonly group: WorkerGroup,
    private readonly source: WorkerConnection,
    private readonly deadlineMs: number,
    readonly tensors: readonly TensorSpec[],
    /** Of all weights and statistics. */
    readonly fingerprint: string,
  ) {
    this.#left = tensors.length;
  }

  /** Asks for it. @throws LockstepError WORKER_LOST */
  static async request(
    group: WorkerGroup,
    source: WorkerConnection,
    deadlineMs: number,
  ): Promise<IncomingSnapshot> {
    await group.send(source.rank!, { type: 'snapshot' });
    const { message } = await group.receive(source, 'snapshot', deadlineMs);
    return new IncomingSnapshot(group, source, deadlineMs, message.tensors, message.fingerprint);
  }

  /** The bytes of the next tensor, in the order of `tensors`. */
  async next(): Promise<readonly Uint8Array[]> {
    const { frames } = await this.group.receive(this.source, 'tensor', this.deadlineMs);
    this.#left -= 1;
    return frames;
  }

  /** Receives and drops what is left: it is on its way, and would be taken for the next snapshot's. */
  async drop(): Promise<void> {
    while (this.#left > 0) await this.next();
  }
}
