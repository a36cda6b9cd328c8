/**
 * How far a run is: one line that is rewritten on a terminal, plain lines elsewhere. On stderr: stdout has results.
 * Our own, because progress libraries draw bars but leave out the plain lines, which is what batch jobs see.
 */
import type { Position, Timeline, TimelineStage } from '../shared/plan/timeline.js';
import type { EvalEvent, StepEvent } from './metrics.js';
import { Pace, plainLineMs } from './pace.js';
import { bar, describeEvaluation, describeStep, fitting } from './progress-text.js';

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
    const due = now - this.#shownAt >= (this.#live ? redrawMs : plainLineMs(now - this.#began));
    if (!due && !position.lastOfEpoch) return;
    this.#shownAt = now;
    const parts = this.#describe(event, position);
    if (this.#live) this.#draw(event.step / this.#totalSteps, parts);
    else this.note(parts.join('  '));
  }

  evaluation(event: EvalEvent): void {
    this.note(describeEvaluation(event));
  }

  note(text: string): void {
    this.stream.write(this.#live ? `${clearLine}${text}\n${this.#standing}` : `${text}\n`);
  }

  end(): void {
    if (this.#standing !== '') this.stream.write('\n');
    this.#standing = '';
  }

  #describe(event: StepEvent, { stage, stepInEpoch }: Position): string[] {
    return describeStep(event, {
      epochs: stage.epochs,
      stepInEpoch: stepInEpoch + 1,
      stepsPerEpoch: stage.stepsPerEpoch,
      // Later stages are taken to go at this one's pace.
      secondsLeft: this.#pace.secondsFor(this.#totalSteps - event.step),
    });
  }

  #draw(done: number, parts: readonly string[]): void {
    // One column stays free: a full line would wrap.
    const width = (this.stream.columns || 80) - 1;
    const drawn = width < widthForBar ? '' : `${bar(done, barWidth, this.#colors)}  `;
    this.#standing = drawn + fitting(parts, drawn === '' ? width : width - barWidth - 2);
    this.stream.write(clearLine + this.#standing);
  }
}
