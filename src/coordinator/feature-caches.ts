/** The workers' caches of a frozen encoder's features: filled by all of them together, before steps need them. */
import type { WorkerConnection } from './worker-connection.js';
import type { WorkerGroup } from './worker-group.js';

/** Called after every round. */
export type RoundDone = (done: number, rounds: number, seconds: number) => void;

export class FeatureCaches {
  /** How many rounds each worker has. */
  readonly #done = new Map<WorkerConnection, number>();

  /** @param rounds that fill a cache; 0 where the stage has none */
  constructor(
    private readonly group: WorkerGroup,
    private readonly rounds: number,
    /** What one round may take, in ms. */
    private readonly deadlineMs: number,
  ) {}

  /**
   * Goes on until every member has all rounds, from the first that one of them lacks: a worker that has just joined lacks
   * all, and those who have them compute their share again.
   * @param step the next one
   * @param stop between two rounds it ends this early
   * @returns how long that took, in ms
   * @throws LockstepError WORKER_LOST as `collect`; what is done stays done
   */
  async fill(step: number, roundDone: RoundDone, stop?: AbortSignal): Promise<number> {
    const { members } = this.group;
    const began = performance.now();
    const first = Math.min(...members.map((member) => this.#done.get(member) ?? 0));
    for (let round = first; round < this.rounds && stop?.aborted !== true; round += 1) {
      await this.group.broadcast({ type: 'encode', step, round });
      await this.group.collect('encoded', this.deadlineMs);
      for (const member of members) {
        this.#done.set(member, Math.max(this.#done.get(member) ?? 0, round + 1));
      }
      roundDone(round + 1, this.rounds, (performance.now() - began) / 1000);
    }
    return performance.now() - began;
  }
}
