/**
 * How far a run is: one line that is rewritten on a terminal, plain lines elsewhere. On stderr: stdout has results.
 * Our own, because progress libraries draw bars but leave out the plain lines, which is what batch jobs see.
 */
import type { Position, Timeline, TimelineStage } from '../shared/plan/timeline.js';
import type { EvalEvent, StepEvent } from './metrics.js';
import { Pace } from './pace.js';
import { duration, figures, fitting, percent } from './progress-text.js';

export interface Progress {
  begin(name: string, timeline: Timeline): void;
  stage(stage: TimelineStage): void;
  step(event: StepEvent, position: Position): void;
  evaluation(event: EvalEvent): void;
  /** A line to keep: a worker joined, a checkpoint was written, a warning. */
  note(text: string): void;
  /** Leaves the terminal at the start of a line. Call it on errors too. */
  end(): void;
}

/** What the progress is written to. */
export interface ProgressStream {
  readonly isTTY?: boolean;
  /** Width in characters. */
  readonly columns?: number;
  write(text: string): unknown;
}

/** A terminal's line is rewritten at most this often. */
const redrawMs = 100;
const barWidth = 20;
/** Narrower terminals get no bar: the words say more. */
const widthForBar = 60;
/** Back to the first column and erase the line. */
const clearLine = '\r\x1b[2K';

export class LineProgress implements Progress {
  readonly #live: boolean;
  readonly #colors: boolean;
  #pace = new Pace();
  #totalSteps = 0;
  #began = 0;
  #shownAt = Number.NEGATIVE_INFINITY;
  /** The line that stands on the terminal and waits for the next one. */
  #standing = '';

  /** @param now milliseconds that only grow */
  constructor(
    private readonly stream: ProgressStream,
    private readonly now: () => number = () => performance.now(),
    env: NodeJS.ProcessEnv = process.env,
  ) {
    this.#live = stream.isTTY === true && env.TERM !== 'dumb';
    this.#colors = !env.NO_COLOR;
  }

  begin(name: string, timeline: Timeline): void {
    this.#totalSteps = timeline.totalSteps;
    this.#began = this.now();
    this.note(`${name}: ${timeline.totalSteps} steps of ${timeline.globalBatch} images`);
  }

  stage({ config, epochs, stepsPerEpoch }: TimelineStage): void {
    this.#pace = new Pace();
    const length = `${epochs} ${epochs === 1 ? 'epoch' : 'epochs'} of ${stepsPerEpoch} steps`;
    this.note(`stage ${config.name}: ${config.objective}, ${length}`);
  }

  step(event: StepEvent, position: Position): void {
    const now = this.now();
    this.#pace.add(event.step, now);
    const due = now - this.#shownAt >= (this.#live ? redrawMs : this.#plainMs);
    if (!due && !position.lastOfEpoch) return;
    this.#shownAt = now;
    const parts = this.#describe(event, position);
    if (this.#live) this.#draw(event.step / this.#totalSteps, parts);
    else this.note(parts.join('  '));
  }

  evaluation({ stage, epoch, loss, accuracy }: EvalEvent): void {
    this.note(`${stage} epoch ${epoch}: test loss ${figures(loss)}, accuracy ${percent(accuracy)}`);
  }

  note(text: string): void {
    this.stream.write(this.#live ? `${clearLine}${text}\n${this.#standing}` : `${text}\n`);
  }

  end(): void {
    if (this.#standing !== '') this.stream.write('\n');
    this.#standing = '';
  }

  /** The most telling first: a narrow terminal shows as many as fit. */
  #describe(event: StepEvent, { stage, stepInEpoch }: Position): string[] {
    const left = this.#pace.secondsFor(this.#totalSteps - event.step);
    return [
      `${event.stage} ${event.epoch}/${stage.epochs}`,
      `step ${stepInEpoch + 1}/${stage.stepsPerEpoch}`,
      `loss ${figures(event.loss)}`,
      ...(event.accuracy === undefined ? [] : [`acc ${percent(event.accuracy)}`]),
      `${figures(event.imagesPerSec)} images/s`,
      // Later stages are taken to go at this one's pace.
      ...(left === undefined ? [] : [`ETA ${duration(left)}`]),
    ];
  }

  #draw(done: number, parts: readonly string[]): void {
    // One column stays free: a full line would wrap.
    const width = (this.stream.columns || 80) - 1;
    const bar = width < widthForBar ? '' : `${this.#bar(done)}  `;
    this.#standing = bar + fitting(parts, bar === '' ? width : width - barWidth - 2);
    this.stream.write(clearLine + this.#standing);
  }

  #bar(done: number): string {
    const filled = Math.round(done * barWidth);
    const full = '█'.repeat(filled);
    return (this.#colors ? `\x1b[32m${full}\x1b[39m` : full) + '░'.repeat(barWidth - filled);
  }

  /** Plain lines: every five seconds at first, every minute in a run of hours, whose log is to stay readable. */
  get #plainMs(): number {
    return Math.min(60_000, Math.max(5000, (this.now() - this.#began) / 20));
  }
}
