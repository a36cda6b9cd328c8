/** How far a run is: one line that is rewritten on a terminal, plain lines elsewhere. On stderr: stdout has results. */
import type { Position, Timeline, TimelineStage } from '../shared/plan/timeline.js';
import type { EvaluationRecord, StepRecord } from './training.js';

export interface Progress {
  begin(name: string, timeline: Timeline): void;
  stage(stage: TimelineStage): void;
  step(record: StepRecord, position: Position): void;
  evaluation(record: EvaluationRecord): void;
  end(): void;
}

/** What the progress is written to. */
export interface ProgressStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** Plain lines come at most this often, apart from the ends of epochs. */
const plainMs = 5000;
const barWidth = 20;

export class LineProgress implements Progress {
  #totalSteps = 0;
  #began = 0;
  #lastPlain = Number.NEGATIVE_INFINITY;
  #open = false;

  constructor(
    private readonly stream: ProgressStream,
    private readonly now: () => number = () => performance.now(),
  ) {}

  begin(name: string, timeline: Timeline): void {
    this.#totalSteps = timeline.totalSteps;
    this.#began = this.now();
    this.#line(`${name}: ${timeline.totalSteps} steps of ${timeline.globalBatch} images`);
  }

  stage({ config, epochs }: TimelineStage): void {
    this.#line(`stage ${config.name}: ${config.objective}, ${epochs} epochs`);
  }

  step(record: StepRecord, position: Position): void {
    const text = this.#describe(record, position);
    if (this.stream.isTTY) {
      this.stream.write(`\r\x1b[K${text.slice(0, (this.stream.columns ?? 80) - 1)}`);
      this.#open = true;
      return;
    }
    if (!position.lastOfEpoch && this.now() - this.#lastPlain < plainMs) return;
    this.#lastPlain = this.now();
    this.#line(text);
  }

  evaluation({ stage, epoch, loss, accuracy }: EvaluationRecord): void {
    this.#line(`${stage} epoch ${epoch + 1}: test loss ${loss.toFixed(4)}, accuracy ${percent(accuracy)}`);
  }

  end(): void {
    if (this.#open) this.stream.write('\n');
    this.#open = false;
  }

  #describe(record: StepRecord, { stage, epoch, stepInEpoch }: Position): string {
    const done = (record.step + 1) / this.#totalSteps;
    const left = ((this.now() - this.#began) / done) * (1 - done);
    const filled = Math.round(done * barWidth);
    const bar = this.stream.isTTY ? [`${'█'.repeat(filled)}${'░'.repeat(barWidth - filled)}`] : [];
    return [
      ...bar,
      `${record.stage} ${epoch + 1}/${stage.epochs}`,
      `step ${stepInEpoch + 1}/${stage.stepsPerEpoch}`,
      `loss ${record.loss.toFixed(4)}`,
      ...(record.accuracy === null ? [] : [`acc ${percent(record.accuracy)}`]),
      `${record.imagesPerSec.toFixed(0)} images/s`,
      `ETA ${duration(left)}`,
    ].join('  ');
  }

  #line(text: string): void {
    this.end();
    this.stream.write(`${text}\n`);
  }
}

function percent(fraction: number): string {
  return `${(100 * fraction).toFixed(2)} %`;
}

function duration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  const minutes = Math.floor(seconds / 60);
  return minutes < 60
    ? `${minutes}:${pad(seconds % 60)}`
    : `${Math.floor(minutes / 60)}:${pad(minutes % 60)}:${pad(seconds % 60)}`;
}

function pad(n: number): string {
  return String(n).padStart(2, '0');
}
