/** A run's event files, written as it goes. The run never fails because of them: metrics.jsonl has all that they show. */
import { join } from 'node:path';
import { LockstepError } from '../../shared/errors.js';
import type { MetricsEvent } from '../metrics.js';
import { readRun } from '../run-folder.js';
import type { Summary } from '../summary.js';
import { sessionStart, summary } from './event.js';
import { EventFile, eventFiles } from './event-file.js';
import { sessionEnded, sessionStarted } from './hparams.js';
import { describeEvent, describeRun } from './summaries.js';
import { estimatedTimes } from './times.js';

/** Where a run's event files are: what `tensorboard --logdir` is given. */
export function eventsFolder(runFolder: string): string {
  return join(runFolder, 'tensorboard');
}

export class RunEvents {
  private constructor(
    private readonly warn: (message: string) => void,
    private file: EventFile | undefined,
  ) {}

  /**
   * Begins an event file for the run as its run.json and `earlier` events describe it. If files are there, what they say
   * of later steps is void from now on; if none are, the new one tells everything from the beginning.
   * @param warn told why there are no event files, or no more of them
   */
  static async begin(
    runFolder: string,
    earlier: readonly MetricsEvent[],
    warn: (message: string) => void,
  ): Promise<RunEvents> {
    const events = new RunEvents(warn, undefined);
    const run = await readRun(runFolder);
    const folder = eventsFolder(runFolder);
    events.#orWarn(() => {
      const goesOn = eventFiles(folder).length > 0;
      const now = Date.now() / 1000;
      const file = EventFile.begin(folder, goesOn ? now : Date.parse(run.startedAt) / 1000);
      events.file = file;
      if (goesOn) {
        const fromStep = run.resumed.at(-1)?.fromStep ?? 0;
        file.append(sessionStart({ wallTime: now, step: fromStep + 1 }));
        return;
      }
      file.append(
        summary({ wallTime: Date.parse(run.startedAt) / 1000, step: 0 }, [
          ...describeRun(run),
          sessionStarted(run),
        ]),
      );
      const times = estimatedTimes(run, earlier);
      for (const [i, event] of earlier.entries()) events.append(event, times[i]!);
    });
    return events;
  }

  /** @param wallTime seconds since 1970 */
  append(event: MetricsEvent, wallTime = Date.now() / 1000): void {
    const values = describeEvent(event);
    if (values.length === 0) return;
    this.#orWarn(() => this.file?.append(summary({ wallTime, step: event.step }, values)));
  }

  /** The run has ended, after so many steps. @param wallTime seconds since 1970 */
  finish(result: Summary, step: number, wallTime = Date.now() / 1000): void {
    this.#orWarn(() => this.file?.append(summary({ wallTime, step }, sessionEnded(result, wallTime))));
  }

  close(): void {
    const { file } = this;
    this.file = undefined;
    this.#orWarn(() => file?.close());
  }

  #orWarn(write: () => void): void {
    try {
      write();
    } catch (error) {
      const { file } = this;
      this.file = undefined;
      const why = error instanceof LockstepError ? error.message : `${(error as Error).message}.`;
      this.warn(
        `TensorBoard's events are incomplete: ${why} Delete them and call lockstep tensorboard to make them anew.`,
      );
      try {
        file?.close();
      } catch {
        // What it says has been said.
      }
    }
  }
}
