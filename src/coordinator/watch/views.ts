/** Where a run is shown: on a terminal, which is redrawn in place, or as lines, for logs and pipes. */
import type { MetricsEvent } from '../metrics.js';
import { plainLineMs } from '../pace.js';
import type { ProgressStream } from '../progress.js';
import { describeEvaluation, describeGeneration, describeStep } from '../progress-text.js';
import { picture } from './picture.js';
import type { View, WatchedRun } from './watch.js';

/** A stream that says how high it is, too. */
export interface Terminal extends ProgressStream {
  readonly rows?: number;
}

/** The view that suits a stream. @param now milliseconds since 1970 */
export function viewOn(
  stream: Terminal,
  now: () => number = Date.now,
  env: NodeJS.ProcessEnv = process.env,
): View {
  const live = stream.isTTY === true && env.TERM !== 'dumb';
  return live ? new Screen(stream, now, !env.NO_COLOR) : new Lines(stream, now);
}

class Screen implements View {
  /** Lines of ours above the cursor. */
  #drawn = 0;

  constructor(
    private readonly stream: Terminal,
    private readonly now: () => number,
    private readonly colors: boolean,
  ) {}

  show(run: WatchedRun): void {
    // A full line would wrap, and a full screen would scroll: neither could be taken back.
    const width = (this.stream.columns || 80) - 1;
    const height = (this.stream.rows || 24) - 1;
    const lines = picture(run, { width, colors: this.colors, now: this.now() }).slice(0, height);
    const back = this.#drawn === 0 ? '' : `\x1b[${this.#drawn}A`;
    // Each line is erased from its end on, and then what is below: nothing flickers.
    this.stream.write(`${back}\r${lines.map((line) => `${line}\x1b[K\n`).join('')}\x1b[J`);
    this.#drawn = lines.length;
  }
}

/** Wide enough for everything: what reads a pipe has no edge. */
const unlimited = 1000;

class Lines implements View {
  #began: number | undefined;
  #saidAt = 0;
  #checkpoint: number | null = null;

  constructor(
    private readonly stream: ProgressStream,
    private readonly now: () => number,
  ) {}

  show(run: WatchedRun, events: readonly MetricsEvent[], restarted: boolean): void {
    const now = this.now();
    if (this.#began === undefined || restarted) {
      this.#began ??= now;
      this.#saidAt = now;
      this.#checkpoint = run.checkpoint;
      for (const line of picture(run, { width: unlimited, colors: false, now })) this.#say(line);
      return;
    }
    for (const event of events) {
      if (event.type === 'eval') this.#say(describeEvaluation(event));
      if (event.type === 'generation') this.#say(describeGeneration(event));
    }
    const last = events.findLast((event) => event.type === 'step');
    if (last !== undefined && now - this.#saidAt >= plainLineMs(now - this.#began)) {
      this.#saidAt = now;
      const stage = run.stages.find(({ name }) => name === last.stage)!;
      const stepInEpoch = stage.step - (last.epoch - 1) * (run.stepsPerEpoch ?? 0);
      const place = {
        epochs: stage.epochs,
        stepInEpoch,
        stepsPerEpoch: run.stepsPerEpoch ?? undefined,
        secondsLeft: run.secondsLeft ?? undefined,
      };
      this.#say(describeStep(last, place).join('  '));
    }
    if (run.checkpoint !== this.#checkpoint && run.checkpoint !== null) {
      this.#say(`checkpoint after step ${run.checkpoint}`);
    }
    this.#checkpoint = run.checkpoint;
  }

  #say(line: string): void {
    this.stream.write(`${line}\n`);
  }
}
