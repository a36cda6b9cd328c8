/** Checkpoints of a run, one at a time, written beside the steps; the newest ones and the best stay. */
import { listCheckpoints, pruneCheckpoints } from '../shared/checkpoint/checkpoint.js';
import { checkpointName } from '../shared/checkpoint/checkpoint-writer.js';
import type { Standing } from '../shared/checkpoint/manifest.js';
import { LockstepError } from '../shared/errors.js';
import type { MetricsEvent } from './metrics.js';
import { isLoss } from './recovery.js';

export interface SaverOptions {
  readonly runFolder: string;
  /** How many of the newest stay. */
  readonly keep: number;
  /** Writes a checkpoint of the replica as it is now. @returns the weights' digest */
  readonly save: (standing: Standing) => Promise<string>;
  /** What is recorded so far. */
  readonly events: readonly MetricsEvent[];
  /** Told that one is written. */
  readonly saved: (message: string) => void;
  /** Told that one is not. */
  readonly failed: (message: string) => void;
}

export class Saver {
  #writing: Promise<void> = Promise.resolve();
  #error: unknown;
  #missed: { readonly standing: Standing; readonly error: LockstepError } | undefined;
  #unsaved: { readonly standing: Standing; readonly error: LockstepError } | undefined;
  #digest: string | undefined;

  constructor(private readonly options: SaverOptions) {}

  /** Begins to save the replica as it is now, when the one before is written. */
  async begin(standing: Standing): Promise<void> {
    await this.settle();
    this.#missed = undefined;
    this.#unsaved = undefined;
    this.#writing = this.#save(standing).catch((error: unknown) => {
      if (isLoss(error)) this.#missed = { standing, error };
      else if (!isFileError(error)) this.#error = error;
      else {
        // The earlier ones are as they were, and there will be another occasion.
        this.#unsaved = { standing, error };
        this.options.failed(`no checkpoint after step ${standing.step}: ${error.line}`);
      }
    });
  }

  /** The checkpoint that was lost with the worker that sent it. */
  get missed(): Standing | undefined {
    return this.#missed?.standing;
  }

  /**
   * The run is over: what could not be written is tried once more, and what was lost with its worker is asked of the
   * others, who have the same tensors.
   * @param isAnybodyLeft whether there are others
   * @returns the digest of the weights saved last, if any were
   * @throws the reason if the last checkpoint still can't be written, or nobody is left to send it
   */
  async finish(isAnybodyLeft: () => boolean): Promise<string | undefined> {
    await this.settle();
    for (let triedAgain = false; ; await this.settle()) {
      if (this.#missed !== undefined) {
        const { standing, error } = this.#missed;
        if (!isAnybodyLeft()) throw error;
        await this.begin(standing);
      } else if (this.#unsaved === undefined) {
        return this.#digest;
      } else {
        if (triedAgain) throw this.#unsaved.error;
        triedAgain = true;
        await this.begin(this.#unsaved.standing);
      }
    }
  }

  /** @throws what went wrong while an earlier checkpoint was on its way, other than the writing itself. */
  check(): void {
    if (this.#error !== undefined) throw this.#error;
  }

  /** Waits until all is written. */
  async settle(): Promise<void> {
    await this.#writing;
    this.check();
  }

  async #save(standing: Standing): Promise<void> {
    const { runFolder, keep, save, saved, failed } = this.options;
    this.#digest = await save(standing);
    saved(`checkpoint after step ${standing.step}: weights ${this.#digest}`);
    const plan = { keep, upTo: standing.step, best: await this.#best() };
    await pruneCheckpoints(runFolder, plan).catch((error: Error) => {
      // On NFS, for one, while somebody reads it. The new one is safe, and the next one tries again.
      failed(`an old checkpoint could not be removed: ${error.message}`);
    });
  }

  /** The name of the checkpoint with the best test accuracy, of those that are there. */
  async #best(): Promise<string | undefined> {
    const { runFolder, events } = this.options;
    const there = await listCheckpoints(runFolder);
    const named = events.flatMap((event) => {
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

/** Whether it is the files that could not be written. */
function isFileError(error: unknown): error is LockstepError {
  return error instanceof LockstepError && error.code === 'CHECKPOINT';
}
