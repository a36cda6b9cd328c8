/** `lockstep train`: a config becomes a run folder. */
import { pruneCheckpoints } from '../shared/checkpoint/checkpoint.js';
import { configDigest } from '../shared/config/digest.js';
import type { Config } from '../shared/config/schema.js';
import { readInstallation } from '../shared/engine/installation.js';
import { LockstepError } from '../shared/errors.js';
import type { Position, TimelineStage } from '../shared/plan/timeline.js';
import { version } from '../shared/version.js';
import { openLog } from './log.js';
import { type EvalEvent, MetricsWriter, type StepEvent } from './metrics.js';
import type { Progress } from './progress.js';
import { firstGeneration, type GroupOptions, withWorkers } from './run.js';
import { createRunFolder } from './run-folder.js';
import { saveCheckpoint } from './saving.js';
import { type Summary, writeSummary } from './summary.js';
import { Training } from './training.js';
import type { WorkerGroup } from './worker-group.js';

export interface TrainOptions extends Pick<GroupOptions, 'config' | 'workers' | 'launch' | 'bind'> {
  /** The run folder; refused if something is in it. Without it one under runs/. */
  readonly out: string | undefined;
  readonly progress: Progress;
}

/** A finished run. */
export interface Trained {
  readonly summary: Summary;
  /** Its folder. */
  readonly run: string;
}

/** @throws LockstepError; the run folder then holds everything up to the failure. */
export async function train(options: TrainOptions): Promise<Trained> {
  const began = performance.now();
  const { config, progress } = options;
  const folder = await createRunFolder(options.out, {
    name: config.name,
    config,
    configDigest: configDigest(config),
    seed: config.seed,
    startedAt: new Date().toISOString(),
    commandLine: process.argv.slice(2),
    topology: { workers: options.workers, launch: options.launch, threads: config.threads },
    versions: { lockstep: version, node: process.version, tensorflow: readInstallation().version },
  });
  const logger = openLog(folder.path, 'coordinator');
  const log = (message: string) => logger.info(message);
  const metrics = new MetricsWriter(folder.metrics);
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
          step: (event: StepEvent, position: Position) => {
            metrics.append(event);
            progress.step(event, position);
          },
          evaluation: (event: EvalEvent) => {
            metrics.append(event);
            progress.evaluation(event);
          },
          checkpoint: async (position: Position, step: number) => {
            weightsDigest = await save(ready.group, folder.path, config, position, step);
            log(`checkpoint after step ${step}: weights ${weightsDigest}`);
          },
        },
      }).run();
      const accuracy = stages.findLast(({ objective }) => objective === 'softmax')?.accuracy ?? null;
      return { stages, accuracy, seconds: (performance.now() - began) / 1000, weightsDigest };
    });
    await writeSummary(folder.summary, summary);
    return { summary, run: folder.path };
  } catch (error) {
    logger.error(error instanceof LockstepError ? error.line : String(error));
    throw error;
  } finally {
    progress.end();
    metrics.close();
    logger.close();
  }
}

async function save(
  group: WorkerGroup,
  runFolder: string,
  config: Config,
  position: Position,
  step: number,
): Promise<string> {
  const digest = await saveCheckpoint(
    group,
    runFolder,
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
  await pruneCheckpoints(runFolder, config.checkpoint.keep);
  return digest;
}
