/** How a run stands, as far as its events tell. */
import type { Config } from '../../shared/config/schema.js';
import { Timeline } from '../../shared/plan/timeline.js';
import type { EvalEvent, GenerationEvent, MetricsEvent, StepEvent } from '../metrics.js';
import { Pace } from '../pace.js';

export interface StageState {
  readonly name: string;
  readonly objective: string;
  /** The last one that a step was done of, from 1; 0 before. */
  readonly epoch: number;
  readonly epochs: number;
  /** Steps of the stage that are done. */
  readonly step: number;
  /** Null as long as nobody knows how many images an epoch has. */
  readonly steps: number | null;
  /** Of the last step, as all that follows. */
  readonly loss: number | null;
  readonly accuracy: number | null;
  readonly excess: number | null;
}

export interface RunState {
  /** Commits so far. */
  readonly step: number;
  readonly totalSteps: number | null;
  readonly stepsPerEpoch: number | null;
  readonly stages: readonly StageState[];
  /** The stage that the last step belongs to. */
  readonly stage: string | null;
  readonly secondsLeft: number | null;
  readonly workers: number | null;
  /** Means over the last steps. */
  readonly imagesPerSec: number | null;
  readonly ms: StepEvent['ms'] | null;
  /** Of the last steps of the present stage, oldest first. */
  readonly recent: {
    readonly loss: readonly number[];
    readonly accuracy: readonly number[];
    readonly excess: readonly number[];
  };
  readonly evaluation: EvalEvent | null;
  readonly bestAccuracy: number | null;
  /** The last few, oldest first. */
  readonly generations: readonly GenerationEvent[];
}

/** How many steps a curve shows, and how many a mean is taken of. */
const recentSteps = 400;
const meanSteps = 20;
const recentGenerations = 3;

export class RunHistory {
  #pace = new Pace();
  /** Milliseconds that the run has taken, as far as it is known. */
  #clock = 0;
  #stepsPerEpoch: number | undefined;
  /** The last step of every stage, by its name. */
  readonly #lastOf = new Map<string, StepEvent>();
  #last: StepEvent | undefined;
  /** Of the present stage. */
  #recent: StepEvent[] = [];
  #workers: number | undefined;
  #evaluation: EvalEvent | undefined;
  #bestAccuracy: number | undefined;
  #generations: GenerationEvent[] = [];

  /** @param trainImages undefined if it is not known here: then the end of the first epoch tells */
  constructor(
    private readonly config: Config,
    trainImages: number | undefined,
  ) {
    if (trainImages !== undefined) {
      this.#stepsPerEpoch = new Timeline(config, trainImages).stages[0]?.stepsPerEpoch;
    }
  }

  /** @param elapsedMs since the events before, with what lies between steps; 0 for events that are history */
  add(events: readonly MetricsEvent[], elapsedMs: number): void {
    const stepping = events.reduce((sum, event) => sum + (event.type === 'step' ? event.ms.total : 0), 0);
    const stretch = stepping === 0 ? 1 : Math.max(1, elapsedMs / stepping);
    for (const event of events) {
      if (event.type === 'step') this.#step(event, event.ms.total * stretch);
      else if (event.type === 'eval') {
        this.#evaluation = event;
        this.#bestAccuracy = Math.max(this.#bestAccuracy ?? 0, event.accuracy || 0);
      } else if (event.type === 'generation') {
        this.#generations = [...this.#generations, event].slice(-recentGenerations);
        this.#workers = event.workers;
      }
    }
  }

  #step(event: StepEvent, ms: number): void {
    const last = this.#last;
    if (last !== undefined && (last.stage !== event.stage || last.epoch !== event.epoch)) {
      // All epochs of a run have the same number of steps.
      this.#stepsPerEpoch = this.#stepOf(last) / last.epoch;
    }
    if (last?.stage !== event.stage) {
      this.#pace = new Pace();
      this.#recent = [];
    }
    this.#clock += ms;
    this.#pace.add(event.step, this.#clock);
    this.#recent.push(event);
    // Cut now and then: once a step would copy them all every time.
    if (this.#recent.length > 2 * recentSteps) this.#recent = this.#recent.slice(-recentSteps);
    this.#lastOf.set(event.stage, event);
    this.#last = event;
    this.#workers = event.workers;
  }

  /** Within its stage, from 1. */
  #stepOf({ samples }: StepEvent): number {
    const { microBatches, microBatchSize } = this.config.batch;
    return samples / (microBatches * microBatchSize);
  }

  get state(): RunState {
    const last = this.#last;
    const perEpoch = this.#stepsPerEpoch;
    const { stages: configs } = this.config;
    const epochs = configs.reduce((sum, stage) => sum + stage.epochs, 0);
    const totalSteps = perEpoch === undefined ? null : perEpoch * epochs;
    const recent = this.#recent.slice(-recentSteps);
    const latest = recent.slice(-meanSteps);
    const curve = (value: (event: StepEvent) => number | undefined) =>
      recent.flatMap((event) => value(event) ?? []);
    return {
      step: last?.step ?? 0,
      totalSteps,
      stepsPerEpoch: perEpoch ?? null,
      stages: configs.map((stage) => {
        const event = this.#lastOf.get(stage.name);
        return {
          name: stage.name,
          objective: stage.objective,
          epoch: event?.epoch ?? 0,
          epochs: stage.epochs,
          step: event === undefined ? 0 : this.#stepOf(event),
          steps: perEpoch === undefined ? null : perEpoch * stage.epochs,
          loss: event?.loss ?? null,
          accuracy: event?.accuracy ?? null,
          excess: event?.excess ?? null,
        };
      }),
      stage: last?.stage ?? null,
      secondsLeft:
        last === undefined || totalSteps === null
          ? null
          : (this.#pace.secondsFor(totalSteps - last.step) ?? null),
      workers: this.#workers ?? null,
      imagesPerSec: meanOf(latest, ({ imagesPerSec }) => imagesPerSec),
      ms:
        last === undefined
          ? null
          : {
              total: meanOf(latest, ({ ms }) => ms.total)!,
              input: meanOf(latest, ({ ms }) => ms.input)!,
              compute: meanOf(latest, ({ ms }) => ms.compute)!,
              exposedComm: meanOf(latest, ({ ms }) => ms.exposedComm)!,
              commit: meanOf(latest, ({ ms }) => ms.commit)!,
            },
      recent: {
        loss: curve(({ loss }) => loss),
        accuracy: curve(({ accuracy }) => accuracy),
        excess: curve(({ excess }) => excess),
      },
      evaluation: this.#evaluation ?? null,
      bestAccuracy: this.#bestAccuracy ?? null,
      generations: this.#generations,
    };
  }
}

function meanOf(events: readonly StepEvent[], value: (event: StepEvent) => number): number | null {
  if (events.length === 0) return null;
  return events.reduce((sum, event) => sum + value(event), 0) / events.length;
}
