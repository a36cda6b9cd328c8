/** A training run from the first stage to the last: deal, commit, evaluate, checkpoint. */
import type { Config } from '../shared/config/schema.js';
import type { Dataset } from '../shared/data/dataset.js';
import { lossScaleOf } from '../shared/plan/loss-scale.js';
import { rangeOf } from '../shared/plan/range.js';
import { learningRateAt } from '../shared/plan/schedule.js';
import type { Position, Timeline, TimelineStage } from '../shared/plan/timeline.js';
import type { Assignment } from '../shared/protocol/messages.js';
import { agree, sameEverywhere } from './commit.js';
import { evaluate } from './evaluate/outputs.js';
import { FeatureCaches, type RoundDone } from './feature-caches.js';
import { requireFiniteLoss, skippedBy } from './finite.js';
import type { EvalEvent, StepEvent, TraceEvent } from './metrics.js';
import { type RankTimes, rankTimes, slowestRank, waitingForSlowest } from './rank-times.js';
import type { Recovery } from './recovery.js';
import { isTraced, traceEvent } from './step-traces.js';
import type { WorkerGroup } from './worker-group.js';

/** Who is told of what happens, in order. */
export interface TrainingObserver {
  stage(stage: TimelineStage): void;
  /** A round of the frozen encoder's features is done: it is part of the next step's time. */
  encoded?: RoundDone;
  /** `fingerprint` is that of the weights before the step; `ranks` is where each rank's time went. */
  step(event: StepEvent, position: Position, fingerprint: string, ranks: readonly RankTimes[]): void;
  /** After the step that it belongs to. Without it no step is traced. */
  trace?(event: TraceEvent): void;
  evaluation(event: EvalEvent): void;
  /** The replica after `step` commits is to be saved. What the promise waits for holds up the training. */
  checkpoint(position: Position, step: number): Promise<void>;
  /** Whether a checkpoint was lost with the worker that sent it, so that another one is wanted. */
  readonly wantsCheckpoint: boolean;
}

export interface TrainingOptions {
  readonly config: Config;
  readonly timeline: Timeline;
  readonly dataset: Dataset;
  readonly testImages: number;
  readonly group: WorkerGroup;
  readonly observer: TrainingObserver;
  /** Goes on after a loss; without it a loss ends the run. */
  readonly recovery?: Recovery;
  /** Commits that are done already. */
  readonly firstStep: number;
  /** Gives the replicas the weights that they start from, before the first stage is prepared. */
  readonly initialize?: () => Promise<void>;
  /** Gives the replicas the tensors that they had after those; called when the stage that goes on is prepared. */
  readonly restore?: (stage: TimelineStage) => Promise<void>;
  /** Aborted when the run is to end early: it is looked at between steps. */
  readonly stop: AbortSignal;
  /** The commits after which a stage ends. Default: all of its steps. */
  readonly endOf?: (stage: TimelineStage) => number;
}

/** What comes between a step and the next one. */
interface Pause {
  readonly evaluates: boolean;
  readonly saves: boolean;
  readonly stops: boolean;
  /** Workers have come that wait to take part. */
  readonly grows: boolean;
}

export class Training {
  /** The commits that are saved, or were there at the start. */
  #saved: number;
  #savedAt = performance.now();

  constructor(private readonly options: TrainingOptions) {
    this.#saved = options.firstStep;
  }

  /**
   * Runs all stages, or until a stop is requested, which saves.
   * @returns the commits that are done, over all stages
   * @throws LockstepError when a worker is lost, or replicas differ.
   */
  async run(): Promise<number> {
    const { timeline, firstStep, stop, endOf = wholeStage, initialize } = this.options;
    if (initialize !== undefined) await this.#surviving(undefined, initialize);
    let done = firstStep;
    for (const stage of timeline.stages) {
      const from = Math.max(stage.firstStep, firstStep);
      const end = endOf(stage);
      if (from >= end) continue;
      if (stop.aborted) break;
      done = await this.#stage(stage, from, end);
      if (done < end) break;
    }
    return done;
  }

  /** @returns the commits that are done: up to `end`, unless a stop was requested. */
  async #stage(stage: TimelineStage, from: number, end: number): Promise<number> {
    const { config, group, observer, timeline, firstStep, restore, stop } = this.options;
    observer.stage(stage);
    const caches = await this.#surviving(undefined, async () => {
      await group.broadcast({ type: 'prepare', stage: stage.index });
      const prepared = await group.collect('prepared', config.deadlines.prepareSeconds * 1000);
      if (from === firstStep && restore !== undefined) {
        // It compares what all have then. Before it some may have what an earlier try has given them.
        await restore(stage);
      } else {
        sameEverywhere(
          prepared.map(({ fingerprint }) => fingerprint),
          `weights at the start of stage '${stage.config.name}'`,
          (rank) => group.nameOf(rank),
        );
      }
      return new FeatureCaches(group, prepared[0]!.rounds, config.deadlines.stepSeconds * 1000);
    });
    let dealt = false;
    for (let step = from; step < end; step += 1) {
      const position = timeline.position(step);
      let encodingMs = 0;
      const encode = async (until?: AbortSignal) => {
        encodingMs += await caches.fill(step, (...done) => observer.encoded?.(...done), until);
      };
      if (!dealt) await this.#surviving(stage, () => encode(stop));
      if (!dealt && stop.aborted) {
        if (this.#saved < step) await this.#save(timeline.position(step - 1), step);
        return step;
      }
      const { event, pause, fingerprint, ranks, trace } = await this.#surviving(stage, async () => {
        if (!dealt) {
          // For a generation that has come since.
          await encode();
          await this.#deal(step, stage.index);
        }
        // Should it come to nothing, it is dealt again.
        dealt = false;
        return await this.#step(position, step, end, encodingMs);
      });
      dealt = pause === undefined;
      observer.step(event, position, fingerprint, ranks);
      if (trace !== undefined) observer.trace?.(trace);
      if (pause?.grows) await this.options.recovery?.reform(undefined, stage.index);
      if (pause?.evaluates) await this.#surviving(stage, () => this.#evaluate(position, step));
      if (pause?.saves) await this.#save(position, step + 1);
      if (pause?.stops) return step + 1;
    }
    return end;
  }

  /** Does it, and does it again in a new generation whenever a worker is lost meanwhile. */
  async #surviving<T>(stage: TimelineStage | undefined, work: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await work();
      } catch (error) {
        if (this.options.recovery === undefined) throw error;
        await this.options.recovery.reform(error, stage?.index);
      }
    }
  }

  async #save(position: Position, step: number): Promise<void> {
    this.#saved = step;
    this.#savedAt = performance.now();
    await this.options.observer.checkpoint(position, step);
  }

  /** Decided when a step is committed, since the commit deals the next one. */
  #pauseAfter(position: Position, step: number, end: number): Pause | undefined {
    const { checkpoint, evaluate } = this.options.config;
    const { stage, epoch, lastOfEpoch, lastOfStage } = position;
    const every = (epochs: number) => lastOfStage || (lastOfEpoch && (epoch + 1) % epochs === 0);
    // Contrastive stages train no classifier, so there is nothing to evaluate.
    const evaluates = stage.config.objective === 'softmax' && every(evaluate.everyEpochs);
    const stops = this.options.stop.aborted;
    const minutes = (performance.now() - this.#savedAt) / 60_000;
    const grows = this.options.recovery?.grows ?? false;
    const saves =
      stops ||
      this.options.observer.wantsCheckpoint ||
      every(checkpoint.everyEpochs) ||
      (checkpoint.everySteps !== undefined && (step + 1) % checkpoint.everySteps === 0) ||
      (checkpoint.everyMinutes !== undefined && minutes >= checkpoint.everyMinutes);
    const pauses = evaluates || saves || grows || step + 1 === end;
    return pauses ? { evaluates, saves, stops, grows } : undefined;
  }

  #assignment(rank: number, step: number, stage: number): Assignment {
    const { config, group, observer, timeline } = this.options;
    const range = rangeOf(rank, group.members.length, config.batch.microBatches);
    const traced = observer.trace !== undefined && isTraced(timeline.position(step).stepInStage);
    return { generation: group.generation, stage, step, range, ...(traced ? { trace: true } : {}) };
  }

  async #deal(step: number, stage: number): Promise<void> {
    const { group } = this.options;
    await Promise.all(
      group.members.map((_, rank) =>
        group.send(rank, { type: 'step', assignment: this.#assignment(rank, step, stage) }),
      ),
    );
  }

  /** Waits for every rank's reduction, commits, and waits until every rank has applied it. */
  async #step(
    position: Position,
    step: number,
    end: number,
    encodingMs: number,
  ): Promise<{
    readonly event: StepEvent;
    readonly pause: Pause | undefined;
    readonly fingerprint: string;
    readonly ranks: readonly RankTimes[];
    readonly trace: TraceEvent | undefined;
  }> {
    const { config, group, timeline } = this.options;
    const deadline = config.deadlines.stepSeconds * 1000;
    const began = performance.now();
    const reduced = await group.collect('reduced', deadline);
    const result = agree(step, reduced, (rank) => group.nameOf(rank));
    const { config: stage, learningRate } = position.stage;
    const lr = learningRateAt(learningRate, position.stage, position.samples);
    const place = { stage: stage.name, step: step + 1, learningRate: lr };
    requireFiniteLoss(result.loss, lossScaleOf(config), place);
    const pause = this.#pauseAfter(position, step, end);
    // From here on the step is done, whoever is lost: everybody has what it takes to apply it.
    await Promise.allSettled(
      group.members.map((_, rank) =>
        group.send(rank, {
          type: 'commit',
          step,
          next: pause === undefined ? this.#assignment(rank, step + 1, position.stage.index) : null,
        }),
      ),
    );
    const applied = await group.collectFromSurvivors('applied', deadline);
    const total = performance.now() - began + encodingMs;
    const ranks = rankTimes(reduced, applied);
    const slowest = slowestRank(ranks);
    const { gradNorm, lossScale } = [...applied.values()][0]!;
    const skipped = skippedBy(gradNorm, lossScale, place);
    const event: StepEvent = {
      type: 'step',
      stage: stage.name,
      epoch: position.epoch + 1,
      step: step + 1,
      samples: position.samples + timeline.globalBatch,
      loss: result.loss,
      ...(result.accuracy === null ? {} : { accuracy: result.accuracy }),
      ...(result.excess === null ? {} : { excess: result.excess }),
      lr,
      gradNorm,
      ...(lossScale === null ? {} : { lossScale }),
      ...(skipped ? { skipped } : {}),
      imagesPerSec: (timeline.globalBatch / total) * 1000,
      workers: group.members.length,
      ms: { total, ...partsOf(ranks), waiting: waitingForSlowest(ranks) },
      slowest,
    };
    const trace = traceEvent({ stage: stage.name, epoch: event.epoch, step: event.step }, applied, slowest);
    return { event, pause, fingerprint: reduced[0]!.fingerprint, ranks, trace };
  }

  async #evaluate(position: Position, step: number): Promise<void> {
    const { config, dataset, group, observer, testImages: images } = this.options;
    const deadlineMs = config.deadlines.evaluateSeconds * 1000;
    const plan = { images, batchSize: config.evaluate.batchSize, deadlineMs };
    const result = await evaluate(group, plan, dataset.split('test').labels);
    observer.evaluation({
      type: 'eval',
      stage: position.stage.config.name,
      epoch: position.epoch + 1,
      step: step + 1,
      ...result,
      ...(position.stage.config.ema === undefined ? {} : { weights: 'ema' }),
    });
  }
}

function wholeStage({ firstStep, steps }: TimelineStage): number {
  return firstStep + steps;
}

/** The time split of the rank that computed longest: one rank's, so that the parts add up. */
function partsOf(ranks: readonly RankTimes[]): Omit<RankTimes, 'rank'> {
  const { rank: _, ...parts } = ranks.reduce((longest, other) =>
    other.compute > longest.compute ? other : longest,
  );
  return parts;
}
