/** Checkpoints of a run, one at a time, written beside the steps; the newest ones and the best stay. */
import { listCheckpoints, pruneCheckpoints } from '../shared/checkpoint/checkpoint.js';
import { checkpointName } from '../shared/checkpoint/checkpoint-writer.js';
import type { Standing } from '../shared/checkpoint/manifest.js';
import type { Config } from '../shared/config/schema.js';
import { LockstepError } from '../shared/errors.js';
import type { MetricsEvent } from './metrics.js';
import { isLoss } from './recovery.js';
import { saveCheckpoint } from './saving.js';
import type { WorkerGroup } from './worker-group.js';

export class Saver {
  #writing: Promise<void> = Promise.resolve();
  #error: unknown;
  #missed: Standing | undefined;
  #unsaved: { readonly standing: Standing; readonly error: LockstepError } | undefined;
  #digest: string | undefined;

  constructor(
    private readonly group: WorkerGroup,
    private readonly runFolder: string,
    private readonly config: Config,
    private readonly events: readonly MetricsEvent[],
    /** Told what became of each checkpoint. */
    private readonly tell: {
      readonly saved: (message: string) => void;
      readonly failed: (message: string) => void;
    },
  ) {}

  /** Begins to save the replica as it is now, when the one before is written. */
  async begin(standing: Standing): Promise<void> {
    await this.settle();
    this.#missed = undefined;
    this.#unsaved = undefined;
    this.#writing = this.#save(standing).catch((error: unknown) => {
      if (isLoss(error)) this.#missed = standing;
      else if (!isFileError(error)) this.#error = error;
      else {
        // The earlier ones are as they were, and there will be another occasion.
        this.#unsaved = { standing, error };
        this.tell.failed(`no checkpoint after step ${standing.step}: ${error.line}`);
      }
    });
  }

  /** The checkpoint that was lost with the worker that sent it. */
  get missed(): Standing | undefined {
    return this.#missed;
  }

  /** The run is over: what could not be saved is tried once more. @throws the reason if it still can't be. */
  async finish(): Promise<string | undefined> {
    await this.settle();
    if (this.#unsaved !== undefined) await this.begin(this.#unsaved.standing);
    const digest = await this.settle();
    if (this.#unsaved !== undefined) throw this.#unsaved.error;
    return digest;
  }

  /** @throws what went wrong while an earlier checkpoint was on its way, other than the writing itself. */
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
    this.tell.saved(`checkpoint after step ${standing.step}: weights ${this.#digest}`);
    const plan = { keep: checkpoint.keep, upTo: standing.step, best: await this.#best() };
    await pruneCheckpoints(this.runFolder, plan).catch((error: Error) => {
      // On NFS, for one, while somebody reads it. The new one is safe, and the next one tries again.
      this.tell.failed(`an old checkpoint could not be removed: ${error.message}`);
    });
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

/** Whether it is the files that could not be written. */
function isFileError(error: unknown): error is LockstepError {
  return error instanceof LockstepError && error.code === 'CHECKPOINT';
}
