/** The run from its first step to its last: stages, epochs and steps in one global numbering. */
import type { Config, LearningRateConfig, StageConfig } from '../config/schema.js';
import { stepsPerEpoch } from './sampler.js';
import { scaledSchedule } from './schedule.js';

/** A stage with its place in the run; `first…` are global numbers, all counted from 0. */
export interface TimelineStage {
  readonly index: number;
  readonly config: StageConfig;
  /** The config's, with its rates scaled by the global batch where it asks for that. */
  readonly learningRate: LearningRateConfig;
  readonly epochs: number;
  readonly firstStep: number;
  readonly firstEpoch: number;
  readonly stepsPerEpoch: number;
  readonly steps: number;
  /** Images that an epoch trains on: its incomplete last batch is dropped. */
  readonly samplesPerEpoch: number;
}

/** Where a step stands, all counted from 0. */
export interface Position {
  readonly stage: TimelineStage;
  /** Within the stage. */
  readonly epoch: number;
  /** Over all stages: the key of the sampling order and of augmentation. */
  readonly globalEpoch: number;
  readonly stepInEpoch: number;
  readonly stepInStage: number;
  /** Images of this stage seen before the step: what the learning rate depends on. */
  readonly samples: number;
  readonly lastOfEpoch: boolean;
  readonly lastOfStage: boolean;
}

export class Timeline {
  readonly globalBatch: number;
  readonly stages: readonly TimelineStage[];
  readonly totalSteps: number;
  readonly totalEpochs: number;

  /**
   * @param datasetSize training images, after `data.limit`
   * @throws LockstepError CONFIG when they do not fill one global batch
   */
  constructor(config: Config, datasetSize: number) {
    this.globalBatch = config.batch.microBatches * config.batch.microBatchSize;
    const perEpoch = stepsPerEpoch(datasetSize, this.globalBatch);
    let firstStep = 0;
    let firstEpoch = 0;
    this.stages = config.stages.map((stage, index) => {
      const steps = perEpoch * stage.epochs;
      const placed: TimelineStage = {
        index,
        config: stage,
        learningRate: scaledSchedule(stage.learningRate, this.globalBatch),
        epochs: stage.epochs,
        firstStep,
        firstEpoch,
        stepsPerEpoch: perEpoch,
        steps,
        samplesPerEpoch: perEpoch * this.globalBatch,
      };
      firstStep += steps;
      firstEpoch += stage.epochs;
      return placed;
    });
    this.totalSteps = firstStep;
    this.totalEpochs = firstEpoch;
  }

  /** @throws RangeError outside 0 … totalSteps−1 */
  position(globalStep: number): Position {
    const stage = this.stages.findLast(({ firstStep }) => firstStep <= globalStep);
    if (stage === undefined || !Number.isInteger(globalStep) || globalStep >= this.totalSteps) {
      throw new RangeError(`Step ${globalStep} is outside a run of ${this.totalSteps} steps`);
    }
    const stepInStage = globalStep - stage.firstStep;
    const epoch = Math.floor(stepInStage / stage.stepsPerEpoch);
    const stepInEpoch = stepInStage - epoch * stage.stepsPerEpoch;
    return {
      stage,
      epoch,
      globalEpoch: stage.firstEpoch + epoch,
      stepInEpoch,
      stepInStage,
      samples: stepInStage * this.globalBatch,
      lastOfEpoch: stepInEpoch === stage.stepsPerEpoch - 1,
      lastOfStage: stepInStage === stage.steps - 1,
    };
  }
}
