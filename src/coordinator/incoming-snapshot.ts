/** A worker's tensors, one after the other. */
import type { Proof, TensorSpec, WorkerMessageOf } from '../shared/protocol/messages.js';
import type { WorkerConnection } from './worker-connection.js';
import type { WorkerGroup } from './worker-group.js';

export class IncomingSnapshot {
  #left: number;

  private constructor(
    private readonly group: WorkerGroup,
    private readonly source: WorkerConnection,
    private readonly deadlineMs: number,
    readonly tensors: readonly TensorSpec[],
    readonly proof: Proof,
  ) {
    this.#left = tensors.length;
  }

  /** Asks for it, before it returns: the worker takes it before whatever it is sent later. @throws LockstepError WORKER_LOST */
  static async request(
    group: WorkerGroup,
    source: WorkerConnection,
    deadlineMs: number,
  ): Promise<IncomingSnapshot> {
    const { tensors, ...proof } = await ask(group, source, true, deadlineMs);
    return new IncomingSnapshot(group, source, deadlineMs, tensors, proof);
  }

  /** The same of a worker whose tensors are not wanted. */
  static async proof(group: WorkerGroup, worker: WorkerConnection, deadlineMs: number): Promise<Proof> {
    const { fingerprint, state } = await ask(group, worker, false, deadlineMs);
    return { fingerprint, state };
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

async function ask(
  group: WorkerGroup,
  worker: WorkerConnection,
  tensors: boolean,
  deadlineMs: number,
): Promise<Omit<WorkerMessageOf<'snapshot'>, 'type'>> {
  await group.send(worker.rank!, { type: 'snapshot', tensors });
  const { type: _, ...answer } = (await group.receive(worker, 'snapshot', deadlineMs)).message;
  return answer;
}
