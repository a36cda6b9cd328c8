/** A step while it is computed: what it is given, and what its parts share. */
import type { Range } from '../shared/plan/range.js';
import type { Phase } from '../shared/protocol/messages.js';
import type { PeerExchange } from '../shared/transport/peer-exchange.js';
import type { Reducer } from './exchange/reducer.js';
import type { LocalSums } from './local-sums.js';
import type { MicroBatch } from './micro-batch.js';
import type { StageProgram } from './stage-program.js';
import type { StepRecorder } from './step-recorder.js';

export interface StepInput {
  readonly step: number;
  readonly range: Range;
  /** Micro-batch k of the step. */
  readonly batch: (k: number) => MicroBatch;
  /** What a wait on the peers may take, in ms. */
  readonly deadlineMs: number;
  readonly phase: (phase: Phase) => void;
  /** Notes when things happen, in a step that is traced. */
  readonly recorder?: StepRecorder | undefined;
}

/** A step that is being computed. */
export interface StepWork {
  readonly program: StageProgram;
  readonly exchange: PeerExchange;
  readonly input: StepInput;
  /** This worker's micro-batches by k, ascending. */
  readonly batches: ReadonlyMap<number, MicroBatch>;
  readonly sums: LocalSums;
  readonly reducer: Reducer;
  readonly clock: StepClock;
}

/** Splits a step's time; waiting on peers inside of compute is moved to where it belongs. */
export class StepClock {
  readonly ms = { input: 0, compute: 0, exposedComm: 0 };
  #last = performance.now();
  #exposed = 0;

  lap(part: keyof StepClock['ms']): void {
    const now = performance.now();
    this.ms[part] += now - this.#last;
    if (part === 'compute') {
      this.ms.compute -= this.#exposed;
      this.ms.exposedComm += this.#exposed;
    }
    this.#last = now;
  }

  async exposed<T>(wait: () => Promise<T>): Promise<T> {
    const began = performance.now();
    try {
      return await wait();
    } finally {
      this.waited(performance.now() - began);
    }
  }

  /** Counts time as waiting on peers. */
  waited(ms: number): void {
    this.#exposed += ms;
  }
}
