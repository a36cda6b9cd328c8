/** Checkpoints of a run, one at a time, written beside the steps; the newest ones and the best stay. */
import { listCheckpoints, pruneCheckpoints } from '../shared/checkpoint/checkpoint.js';
import { checkpointName } from '../shared/checkpoint/checkpoint-writer.js';
import type { Standing } from '../shared/checkpoint/manifest.js';
import type { Config } from '../shared/config/schema.js';
import type { MetricsEvent } from './metrics.js';
import { isLoss } from './recovery.js';
import { saveCheckpoint } from './saving.js';
import type { WorkerGroup } from './worker-group.js';

export class Saver {
  #writing: Promise<void> = Promise.resolve();
  #error: unknown;
  #missed: Standing | undefined;
  #digest: string | undefined;

  constructor(
    private readonly group: WorkerGroup,
    private readonly runFolder: string,
    private readonly config: Config,
    private readonly events: readonly MetricsEvent[],
    private readonly log: (message: string) => void,
  ) {}

  /** Begins to save the replica as it is now, when the one before is written. */
  async begin(standing: Standing): Promise<void> {
    await this.settle();
    this.#missed = undefined;
    this.#writing = this.#save(standing).catch((error: unknown) => {
      if (isLoss(error)) this.#missed = standing;
      else this.#error = error;
    });
  }

  /** The checkpoint that was lost with the worker that sent it. */
  get missed(): Standing | undefined {
    return this.#missed;
  }

  /** @throws what kept an earlier checkpoint from being written. */
  check(): void {
    if (this.#error !== undefined) throw this.#error;
  }

  /** Waits until all is written. @returns the digest of the weights saved last, if any were. */
  async settle(): Promise<string | undefined> {
    await this.#writing;
    this.check();
    return this.#digest;
  }

  async #save(standing: Standing): Promise<void> {
    const { checkpoint, deadlines } = this.config;
    this.#digest = await saveCheckpoint(
      this.group,
      this.runFolder,
      standing,
      deadlines.checkpointSeconds * 1000,
    );
    this.log(`checkpoint after step ${standing.step}: weights ${this.#digest}`);
    await pruneCheckpoints(this.runFolder, checkpoint.keep, await this.#best());
  }

  /** The name of the checkpoint with the best test accuracy, of those that are there. */
  async #best(): Promise<string | undefined> {
    const there = await listCheckpoints(this.runFolder);
    const named = this.events.flatMap((event) => {
      if (event.type !== 'eval') return [];
      const name = checkpointName(event.step);
      return there.some((folder) => folder.endsWith(name)) ? [{ name, accuracy: event.accuracy }] : [];
    });
    return named.reduce<(typeof named)[number] | undefined>(
      (best, one) => (best === undefined || one.accuracy > best.accuracy ? one : best),
      undefined,
    )?.name;
  }
}
