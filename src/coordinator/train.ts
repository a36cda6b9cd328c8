/** `lockstep train`: a config becomes a run folder. */
import { appendFileSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pruneCheckpoints } from '../shared/checkpoint/checkpoint.js';
import { configDigest } from '../shared/config/digest.js';
import type { Config } from '../shared/config/schema.js';
import { readInstallation } from '../shared/engine/installation.js';
import { LockstepError } from '../shared/errors.js';
import type { Position, TimelineStage } from '../shared/plan/timeline.js';
import { version } from '../shared/version.js';
import type { Progress } from './progress.js';
import { firstGeneration, type GroupOptions, withWorkers } from './run.js';
import { saveCheckpoint } from './saving.js';
import { type EvaluationRecord, type StageSummary, type StepRecord, Training } from './training.js';
import type { WorkerGroup } from './worker-group.js';

export interface TrainOptions extends Pick<GroupOptions, 'config' | 'workers' | 'launch' | 'bind'> {
  /** The run folder; made, and refused if something is in it. */
  readonly out: string;
  readonly progress: Progress;
}

/** What summary.json says. */
export interface Summary {
  readonly stages: readonly StageSummary[];
  /** Of the last stage. */
  readonly accuracy: number | null;
  readonly seconds: number;
  readonly weightsDigest: string;
}

/** @throws LockstepError; the run folder then holds everything up to the failure. */
export async function train(options: TrainOptions): Promise<Summary> {
  const began = performance.now();
  const folder = new RunFolder(options.out);
  const { config, progress } = options;
  folder.describe(config, options.workers);
  const log = (message: string) => folder.log(message);
  try {
    const summary = await withWorkers({ ...options, logs: folder.logs, log }, async (ready) => {
      progress.begin(config.name, ready.timeline);
      let weightsDigest = '';
      const stages = await new Training({
        ...ready,
        config,
        generation: firstGeneration,
        observer: {
          stage: (stage: TimelineStage) => {
            log(`stage '${stage.config.name}' begins`);
            progress.stage(stage);
          },
          step: (record: StepRecord, position: Position) => {
            folder.metric({ type: 'step', ...record });
            progress.step(record, position);
          },
          evaluation: (record: EvaluationRecord) => {
            folder.metric({ type: 'eval', ...record });
            progress.evaluation(record);
          },
          checkpoint: async (position: Position, step: number) => {
            weightsDigest = await save(ready.group, folder, config, position, step);
          },
        },
      }).run();
      const accuracy = stages.at(-1)?.accuracy ?? null;
      return { stages, accuracy, seconds: (performance.now() - began) / 1000, weightsDigest };
    });
    folder.summarize(summary);
    return summary;
  } catch (error) {
    log(`ended by: ${error instanceof Error ? error.message : String(error)}`);
    throw error;
  } finally {
    progress.end();
  }
}

async function save(
  group: WorkerGroup,
  folder: RunFolder,
  config: Config,
  position: Position,
  step: number,
): Promise<string> {
  const digest = await saveCheckpoint(
    group,
    folder.path,
    {
      step,
      epoch: position.epoch + 1,
      stage: position.stage.config.name,
      position: { stage: position.stage.index, stepInStage: position.stepInStage + 1 },
      configDigest: configDigest(config),
      config,
    },
    config.deadlines.checkpointSeconds * 1000,
  );
  folder.log(`checkpoint after step ${step}: weights ${digest}`);
  await pruneCheckpoints(folder.path, config.checkpoint.keep);
  return digest;
}

/** The folder of one run; see docs/design.md for what is in it. */
class RunFolder {
  readonly path: string;
  readonly logs: string;

  constructor(out: string) {
    this.path = resolve(out);
    this.logs = join(this.path, 'logs');
    if (existsSync(this.path) && readdirSync(this.path).length > 0) {
      throw new LockstepError('USAGE', `The run folder ${this.path} is not empty.`, {
        hint: 'Give another one with --out.',
      });
    }
    mkdirSync(this.logs, { recursive: true });
  }

  describe(config: Config, workers: number): void {
    const run = {
      name: config.name,
      started: new Date().toISOString(),
      command: process.argv.slice(2),
      versions: { lockstep: version, node: process.version, tensorflow: readInstallation().version },
      seed: config.seed,
      workers,
      configDigest: configDigest(config),
      config,
    };
    writeFileSync(join(this.path, 'run.json'), `${JSON.stringify(run, null, 2)}\n`);
  }

  metric(record: object): void {
    appendFileSync(join(this.path, 'metrics.jsonl'), `${JSON.stringify(record)}\n`);
  }

  log(message: string): void {
    appendFileSync(
      join(this.logs, 'coordinator.log'),
      `${JSON.stringify({ time: Date.now(), msg: message })}\n`,
    );
  }

  summarize(summary: Summary): void {
    writeFileSync(join(this.path, 'summary.json'), `${JSON.stringify(summary, null, 2)}\n`);
  }
}
