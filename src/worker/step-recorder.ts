/** Notes when things happen in a step: a few clock readings, made only in steps that are traced. */
import { type StepTrace, traceLimits } from '../shared/protocol/step-trace.js';

type Span = [from: number, to: number];

export class StepRecorder {
  readonly #began = performance.now();
  readonly #input: Span[] = [];
  readonly #runs: Span[] = [];
  readonly #gathers: Span[] = [];
  readonly #left = new Map<number, number>();
  readonly #summed = new Map<number, number>();
  readonly #back = new Map<number, number>();
  #reported = 0;
  #committed = 0;

  /** @param from as `performance.now()` has it */
  input(from: number): void {
    this.#input.push(this.#since(from));
  }

  run(from: number): void {
    this.#runs.push(this.#since(from));
  }

  gather(from: number): void {
    this.#gathers.push(this.#since(from));
  }

  /** Our sum of a bucket is there. */
  left(bucket: number): void {
    this.#left.set(bucket, performance.now());
  }

  /** A piece of our slice of a bucket is complete; the last one counts. */
  summed(bucket: number): void {
    this.#summed.set(bucket, performance.now());
  }

  /** All of a bucket is here. */
  back(bucket: number): void {
    this.#back.set(bucket, performance.now());
  }

  reported(): void {
    this.#reported = performance.now();
  }

  committed(): void {
    this.#committed = performance.now();
  }

  /** @param applying when that began @param floats of each bucket */
  finish(applying: number, floats: readonly number[]): StepTrace {
    const at = (time: number): number => Math.max(0, Math.round((time - this.#began) * 100) / 100);
    const spans = (all: readonly Span[], most: number) =>
      all.slice(0, most).map(([from, to]): Span => [at(from), at(to)]);
    const buckets = [...this.#left].sort(([one], [other]) => one - other).slice(0, traceLimits.buckets);
    return {
      input: spans(this.#input, 2),
      runs: spans(this.#runs, traceLimits.runs),
      gathers: spans(this.#gathers, traceLimits.gathers),
      buckets: buckets.map(([bucket, left]) => {
        const summed = this.#summed.get(bucket);
        return [at(left), summed === undefined ? null : at(summed), at(this.#back.get(bucket) ?? left)];
      }),
      bytes: buckets.map(([bucket]) => floats[bucket]! * Float32Array.BYTES_PER_ELEMENT),
      reported: at(this.#reported),
      committed: at(this.#committed),
      applied: [at(applying), at(performance.now())],
    };
  }

  #since(from: number): Span {
    return [from, performance.now()];
  }
}
