/** A step while it is computed, as its parts see it. */
import type { Range } from '../shared/plan/range.js';
import type { Phase } from '../shared/protocol/messages.js';
import type { PeerExchange } from '../shared/transport/peer-exchange.js';
import type { Reducer } from './exchange/reducer.js';
import type { LocalSums } from './local-sums.js';
import type { MicroBatch } from './micro-batch.js';
import type { StageProgram } from './stage-program.js';
import type { StepClock } from './step-clock.js';
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
