/** New generations: of the workers that are left after a loss, and with those that have come since. */
import type { Config } from '../shared/config/schema.js';
import { LockstepError } from '../shared/errors.js';
import { transferReplica } from './saving.js';
import type { WorkerConnection } from './worker-connection.js';
import type { WorkerGroup } from './worker-group.js';

export interface RecoveryOptions {
  readonly config: Config;
  readonly group: WorkerGroup;
  /** With fewer the run waits, and ends when no more can come. */
  readonly minWorkers: number;
  /** Whether a worker may still come: one is being started again, or somebody may start one by hand. */
  readonly mayCome: () => boolean;
  /** Waits until no checkpoint is on its way from a worker. */
  readonly quiet: () => Promise<void>;
  readonly formed: (event: GenerationFormed) => void;
}

/** What became of a generation. */
export interface GenerationFormed {
  readonly generation: number;
  readonly workers: number;
  /** Why: who was lost, how and in which phase; or who has come. */
  readonly reason: string;
  readonly seconds: number;
}

/** Losses in a row, without a step between them, that end a run: something is wrong everywhere. */
const attempts = 10;

const noWeights = 'Nobody is left who has the weights.';

export class Recovery {
  constructor(private readonly options: RecoveryOptions) {}

  /** Whether workers wait to take part. */
  get grows(): boolean {
    const { group, config } = this.options;
    return group.spares.length > 0 && group.members.length < config.batch.microBatches;
  }

  /**
   * Forms the next generation.
   * @param cause what broke the present one; undefined to let workers in that have come
   * @param stage the stage that all replicas are prepared for; undefined between two of them
   * @throws LockstepError `cause` if it is no loss; WORKER_LOST when too few workers are left
   */
  async reform(cause: unknown, stage: number | undefined): Promise<void> {
    const { config, group, minWorkers, mayCome, formed } = this.options;
    const began = performance.now();
    // A joiner is a member as soon as an attempt begins, but has the weights only once one has succeeded.
    const whole = group.members;
    const left = () => whole.filter(({ loss }) => loss === undefined);
    let reason = cause;
    for (let attempt = 1; ; attempt += 1) {
      if (reason !== undefined && !isLoss(reason)) throw reason;
      if (attempt > attempts) throw theEnd(reason, `No generation held, ${attempts} times in a row.`);
      if (left().length === 0) throw theEnd(reason, noWeights);
      const connectMs = config.deadlines.connectSeconds * 1000;
      await group.waitFor(minWorkers, connectMs, mayCome).catch((error: LockstepError) => {
        throw theEnd(reason, error.message);
      });
      const survivors = left();
      if (survivors.length === 0) throw theEnd(reason, noWeights);
      const joiners = [...group.survivors, ...group.spares]
        .filter((worker) => !whole.includes(worker))
        .slice(0, config.batch.microBatches - survivors.length);
      try {
        await group.form([...survivors, ...joiners], config.deadlines.prepareSeconds * 1000, survivors);
        if (joiners.length > 0) await this.#bringUp(survivors[0]!, joiners, stage);
        formed({
          generation: group.generation,
          workers: group.members.length,
          reason: line(reason) || joiners.map(({ name }) => `${name} joined`).join(', '),
          seconds: (performance.now() - began) / 1000,
        });
        return;
      } catch (error) {
        // Not because of the others: then nobody would ever get past one whose host can't be reached.
        const isTheirs = survivors.some((one) => one.loss !== undefined || group.late.includes(one));
        if (!isTheirs && isLoss(error)) {
          const why = `it could not be let in: ${error.message.replace(/\.$/, '')}`;
          for (const joiner of joiners) group.exclude(joiner, why);
        }
        reason = error;
      }
    }
  }

  /** Gives joiners the replica as the others have it. */
  async #bringUp(
    source: WorkerConnection,
    joiners: readonly WorkerConnection[],
    stage: number | undefined,
  ): Promise<void> {
    const { config, group, quiet } = this.options;
    const { prepareSeconds, checkpointSeconds } = config.deadlines;
    await quiet();
    if (stage !== undefined) {
      await Promise.all(joiners.map(({ rank }) => group.send(rank!, { type: 'prepare', stage })));
      await Promise.all(joiners.map((one) => group.receive(one, 'prepared', prepareSeconds * 1000)));
    }
    const files = stage === undefined ? (['weights'] as const) : (['weights', 'optimizer'] as const);
    await transferReplica(group, source, joiners, files, checkpointSeconds * 1000);
  }
}

/** Whether an error means that a worker is gone, rather than that something is wrong. */
export function isLoss(error: unknown): error is LockstepError {
  return error instanceof LockstepError && error.code === 'WORKER_LOST';
}

function theEnd(reason: unknown, why: string): LockstepError {
  return new LockstepError('WORKER_LOST', `${line(reason)} ${why}`.trim(), {
    cause: reason,
    hint: 'Go on from the last checkpoint with --resume.',
  });
}

function line(reason: unknown): string {
  return reason instanceof LockstepError ? reason.message : '';
}
