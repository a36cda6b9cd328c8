/** A training run from the first stage to the last: deal, commit, evaluate, checkpoint. */
import type { Config } from '../shared/config/schema.js';
import { rangeOf } from '../shared/plan/range.js';
import { learningRateAt } from '../shared/plan/schedule.js';
import type { Position, Timeline, TimelineStage } from '../shared/plan/timeline.js';
import type { Assignment, WorkerMessageOf } from '../shared/protocol/messages.js';
import { agree, sameEverywhere } from './commit.js';
import { type EvaluationResult, evaluate } from './evaluation.js';
import type { EvalEvent, StepEvent } from './metrics.js';
import type { Summary } from './summary.js';
import type { WorkerGroup } from './worker-group.js';

export type StageSummary = Summary['stages'][number];

/** Who is told of what happens, in order. */
export interface TrainingObserver {
  stage(stage: TimelineStage): void;
  step(event: StepEvent, position: Position): void;
  evaluation(event: EvalEvent): void;
  /** The replica after `step` commits is to be saved. */
  checkpoint(position: Position, step: number): Promise<void>;
}

export interface TrainingOptions {
  readonly config: Config;
  readonly timeline: Timeline;
  readonly testImages: number;
  readonly group: WorkerGroup;
  readonly observer: TrainingObserver;
  readonly generation: number;
}

export class Training {
  constructor(private readonly options: TrainingOptions) {}

  /** Runs all stages. @throws LockstepError when a worker is lost, or replicas differ. */
  async run(): Promise<StageSummary[]> {
    const summaries: StageSummary[] = [];
    for (const stage of this.options.timeline.stages) summaries.push(await this.#stage(stage));
    return summaries;
  }

  async #stage(stage: TimelineStage): Promise<StageSummary> {
    const { config, group, observer } = this.options;
    observer.stage(stage);
    await group.broadcast({ type: 'prepare', stage: stage.index });
    const prepared = await group.collect('prepared', config.deadlines.prepareSeconds * 1000);
    sameEverywhere(
      prepared.map(({ fingerprint }) => fingerprint),
      `weights at the start of stage '${stage.config.name}'`,
      (rank) => group.nameOf(rank),
    );
    let summary: Pick<StageSummary, 'loss' | 'accuracy'> = { loss: Number.NaN, accuracy: null };
    let losses: number[] = [];
    let dealt = false;
    for (let step = stage.firstStep; step < stage.firstStep + stage.steps; step += 1) {
      const position = this.options.timeline.position(step);
      if (!dealt) await this.#deal(step, stage.index);
      const pauses = this.#pausesAfter(position);
      const record = await this.#step(position, step, pauses ? null : step + 1);
      dealt = !pauses;
      losses.push(record.loss);
      observer.step(record, position);
      if (!position.lastOfEpoch) continue;
      summary = { loss: losses.reduce((a, b) => a + b, 0) / losses.length, accuracy: null };
      losses = [];
      if (this.#evaluates(position)) summary = await this.#evaluate(position, step);
      if (this.#saves(position)) await observer.checkpoint(position, step + 1);
    }
    const { name, objective, epochs } = stage.config;
    return { name, objective, epochs, ...summary };
  }

  #evaluates({ stage, epoch, lastOfEpoch, lastOfStage }: Position): boolean {
    // Contrastive stages train no classifier, so there is nothing to evaluate.
    if (stage.config.objective !== 'softmax') return false;
    return lastOfStage || (lastOfEpoch && (epoch + 1) % this.options.config.evaluate.everyEpochs === 0);
  }

  #saves({ epoch, lastOfEpoch, lastOfStage }: Position): boolean {
    return lastOfStage || (lastOfEpoch && (epoch + 1) % this.options.config.checkpoint.everyEpochs === 0);
  }

  #pausesAfter(position: Position): boolean {
    return position.lastOfStage || this.#evaluates(position) || this.#saves(position);
  }

  #assignment(rank: number, step: number, stage: number): Assignment {
    const { config, group, generation } = this.options;
    return { generation, stage, step, range: rangeOf(rank, group.members.length, config.batch.microBatches) };
  }

  async #deal(step: number, stage: number): Promise<void> {
    const { group } = this.options;
    await Promise.all(
      group.members.map(({ rank }) =>
        group.send(rank, { type: 'step', assignment: this.#assignment(rank, step, stage) }),
      ),
    );
  }

  /** Waits for every rank's reduction, commits, and waits until every rank has applied it. */
  async #step(position: Position, step: number, next: number | null): Promise<StepEvent> {
    const { config, group, timeline } = this.options;
    const deadline = config.deadlines.stepSeconds * 1000;
    const began = performance.now();
    const reduced = await group.collect('reduced', deadline);
    const result = agree(step, reduced, (rank) => group.nameOf(rank));
    await Promise.all(
      group.members.map(({ rank }) =>
        group.send(rank, {
          type: 'commit',
          step,
          next: next === null ? null : this.#assignment(rank, next, position.stage.index),
        }),
      ),
    );
    const applied = await group.collect('applied', deadline);
    const total = performance.now() - began;
    const { config: stage, epochs, samplesPerEpoch } = position.stage;
    return {
      type: 'step',
      stage: stage.name,
      epoch: position.epoch + 1,
      step: step + 1,
      samples: position.samples + timeline.globalBatch,
      loss: result.loss,
      ...(result.accuracy === null ? {} : { accuracy: result.accuracy }),
      ...(result.excess === null ? {} : { excess: result.excess }),
      lr: learningRateAt(stage.learningRate, { epochs, samplesPerEpoch }, position.samples),
      gradNorm: applied[0]!.gradNorm,
      imagesPerSec: (timeline.globalBatch / total) * 1000,
      workers: group.members.length,
      ms: { total, ...slowest(reduced, applied) },
    };
  }

  async #evaluate(position: Position, step: number): Promise<EvaluationResult> {
    const { config, group, observer, testImages } = this.options;
    const result = await evaluate(group, {
      stage: position.stage.index,
      images: testImages,
      batchSize: config.evaluate.batchSize,
      deadlineMs: config.deadlines.evaluateSeconds * 1000,
    });
    observer.evaluation({
      type: 'eval',
      stage: position.stage.config.name,
      epoch: position.epoch + 1,
      step: step + 1,
      ...result,
    });
    return result;
  }
}

/** The time split of the rank that computed longest: one rank's, so that the parts add up. */
function slowest(
  reduced: readonly WorkerMessageOf<'reduced'>[],
  applied: readonly WorkerMessageOf<'applied'>[],
) {
  let rank = 0;
  for (const [other, { ms }] of reduced.entries()) if (ms.compute > reduced[rank]!.ms.compute) rank = other;
  return { ...reduced[rank]!.ms, commit: applied[rank]!.commitMs };
}
