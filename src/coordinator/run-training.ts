/** What goes on while a run's workers train: the parts that train, save and recover, put together. */
import type { Checkpoint } from '../shared/checkpoint/checkpoint.js';
import type { CheckpointFile } from '../shared/checkpoint/checkpoint-writer.js';
import type { Standing } from '../shared/checkpoint/manifest.js';
import { configDigest } from '../shared/config/digest.js';
import type { Config } from '../shared/config/schema.js';
import { bfloat16Instructions } from '../shared/engine/bfloat16.js';
import { LockstepError } from '../shared/errors.js';
import type { Position, Timeline, TimelineStage } from '../shared/plan/timeline.js';
import type { MetricsEvent } from './metrics.js';
import type { Progress } from './progress.js';
import { describeGeneration } from './progress-text.js';
import { Recovery } from './recovery.js';
import type { GroupOptions, ReadyGroup } from './run.js';
import type { RunBeginning } from './run-beginning.js';
import { Saver } from './saver.js';
import { loadTensors, saveCheckpoint } from './saving.js';
import { describeScaledRates, scaledRates } from './scaled-rates.js';
import { Training, type TrainingObserver } from './training.js';
import type { WorkerGroup } from './worker-group.js';

export interface RunTrainingOptions extends Pick<GroupOptions, 'config' | 'launch'> {
  /** With fewer the run waits for another one, and ends when none can come. */
  readonly minWorkers: number;
  /** Aborted when the run is to save and end. */
  readonly stop: AbortSignal;
  readonly progress: Progress;
}

/** Where events and messages go. */
export interface Telling {
  append(event: MetricsEvent): void;
  /** Resolves when what was appended survives a power cut. */
  sync(): Promise<void>;
  log(message: string): void;
  /** To the log, and to whoever watches the run. */
  note(message: string): void;
}

export interface Trained {
  /** The commits that are done, over all stages. */
  readonly done: number;
  /** Of the last checkpoint. */
  readonly weightsDigest: string;
}

const emulatedBfloat16 =
  'This processor has no instructions for bfloat16, so it is emulated, slower than float32 (without AVX-512 many times): consider --set precision=float32.';

export class RunTraining {
  readonly #events: MetricsEvent[];
  #saver: Saver | undefined;

  constructor(
    private readonly options: RunTrainingOptions,
    private readonly beginning: RunBeginning,
    private readonly telling: Telling,
  ) {
    this.#events = [...beginning.events];
  }

  /** Everything that is recorded of the run. */
  get events(): readonly MetricsEvent[] {
    return this.#events;
  }

  /**
   * Trains to the end, or until a stop is requested; all commits are saved then.
   * @throws LockstepError why it ends early
   */
  async run(ready: ReadyGroup): Promise<Trained> {
    const { config, stop } = this.options;
    const { checkpoint } = this.beginning;
    const { group, timeline, signalled } = ready;
    this.#begin(timeline);
    const saver = this.#saverOf(group);
    this.#saver = saver;
    const done = await new Training({
      ...ready,
      config,
      firstStep: this.#firstStep,
      stop: AbortSignal.any([stop, signalled]),
      recovery: this.#recoveryOf(ready, saver),
      initialize: () => this.#initialize(group),
      ...(checkpoint === undefined ? {} : { restore: (stage) => this.#restore(group, checkpoint, stage) }),
      observer: this.#observerOf(saver),
    }).run();
    const saved = await saver.finish(() => group.survivors.length > 0);
    return { done, weightsDigest: saved ?? checkpoint?.manifest.weightsDigest ?? '' };
  }

  /** Waits until no checkpoint is being written, whatever became of it. */
  async settle(): Promise<void> {
    await this.#saver?.settle().catch(() => {});
  }

  get #firstStep(): number {
    return this.beginning.checkpoint?.manifest.step ?? 0;
  }

  get #checkpointMs(): number {
    return this.options.config.deadlines.checkpointSeconds * 1000;
  }

  /** Says what whoever watches should know first. */
  #begin(timeline: Timeline): void {
    const { config, launch, progress } = this.options;
    progress.begin(config.name, timeline);
    const isEmulated = config.precision === 'bfloat16' && bfloat16Instructions()?.length === 0;
    if (launch === 'local' && isEmulated) progress.note(emulatedBfloat16);
    for (const rates of scaledRates(config)) progress.note(describeScaledRates(rates));
    if (this.#firstStep > 0) progress.note(`goes on after step ${this.#firstStep} of ${timeline.totalSteps}`);
  }

  #saverOf(group: WorkerGroup): Saver {
    const { checkpoint } = this.options.config;
    const { telling, beginning } = this;
    const { path } = beginning.folder;
    // A run that goes on from a checkpoint has the metrics up to there, whatever happens to the machine.
    const before = () =>
      telling.sync().catch((cause: LockstepError) => {
        throw new LockstepError('CHECKPOINT', cause.message, { ...cause.details, cause });
      });
    return new Saver({
      runFolder: path,
      keep: checkpoint.keep,
      events: this.#events,
      save: (standing) =>
        saveCheckpoint(standing, { group, runFolder: path, deadlineMs: this.#checkpointMs, before }),
      saved: telling.log,
      failed: telling.note,
    });
  }

  #recoveryOf(ready: ReadyGroup, saver: Saver): Recovery {
    const { config, minWorkers } = this.options;
    return new Recovery({
      ...ready,
      config,
      minWorkers,
      quiet: () => saver.settle(),
      formed: (formed) => {
        this.telling.note(describeGeneration(formed));
        this.#record({ type: 'generation', ...place(this.#events), ...formed });
      },
    });
  }

  async #initialize(group: WorkerGroup): Promise<void> {
    const { initialWeights } = this.beginning;
    if (initialWeights === undefined) return;
    const given = await initialWeights.give(group);
    for (const message of [...initialWeights.notes, given]) this.telling.note(message);
  }

  async #restore(group: WorkerGroup, checkpoint: Checkpoint, { index }: TimelineStage): Promise<void> {
    // A new stage starts its optimiser anew.
    const files: CheckpointFile[] = ['weights'];
    if (checkpoint.manifest.position.stage === index) files.push('optimizer');
    await loadTensors(group, checkpoint, files, this.#checkpointMs);
  }

  #observerOf(saver: Saver): TrainingObserver {
    const { telling } = this;
    const { config, progress } = this.options;
    return {
      stage: (stage) => {
        telling.log(`stage '${stage.config.name}' begins`);
        progress.stage(stage);
      },
      encoded: (done, rounds, seconds) => {
        if (done > 1 && done < rounds) return;
        telling.note(`features of the frozen encoder: ${done} of ${rounds} rounds, ${seconds.toFixed(1)} s`);
      },
      step: (event, position) => {
        saver.check();
        this.#record(event);
        progress.step(event, position);
      },
      trace: (event) => this.#record(event),
      evaluation: (event) => {
        this.#record(event);
        progress.evaluation(event);
      },
      checkpoint: (position, step) => saver.begin(standing(config, position, step)),
      get wantsCheckpoint() {
        return saver.missed !== undefined;
      },
    };
  }

  #record(event: MetricsEvent): void {
    this.telling.append(event);
    this.#events.push(event);
  }
}

/** Where the run stands: for events that are not a step's own. */
function place(events: readonly MetricsEvent[]): Pick<MetricsEvent, 'stage' | 'epoch' | 'step'> {
  const { stage = '', epoch = 0, step = 0 } = events.at(-1) ?? {};
  return { stage, epoch, step };
}

function standing(config: Config, position: Position, step: number): Standing {
  return {
    step,
    epoch: position.epoch + 1,
    stage: position.stage.config.name,
    position: { stage: position.stage.index, stepInStage: position.stepInStage + 1 },
    configDigest: configDigest(config),
    config,
  };
}
