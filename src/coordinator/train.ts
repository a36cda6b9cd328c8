/** `lockstep train`: a config becomes a run folder. */
import type { CheckpointFile } from '../shared/checkpoint/checkpoint-writer.js';
import type { Standing } from '../shared/checkpoint/manifest.js';
import { configDigest } from '../shared/config/digest.js';
import type { Config } from '../shared/config/schema.js';
import { bfloat16Instructions } from '../shared/engine/bfloat16.js';
import { readInstallation } from '../shared/engine/installation.js';
import { LockstepError } from '../shared/errors.js';
import type { Position, TimelineStage } from '../shared/plan/timeline.js';
import { version } from '../shared/version.js';
import { idleGpus } from './gpus.js';
import { openLog } from './log.js';
import { type EvalEvent, type MetricsEvent, MetricsWriter, type StepEvent } from './metrics.js';
import type { Progress } from './progress.js';
import { describeGeneration } from './progress-text.js';
import { Recovery } from './recovery.js';
import { leaveReport } from './report/end-of-run.js';
import { type GroupOptions, type ReadyGroup, runInputs, withWorkers } from './run.js';
import { beginRun, type RunBeginning } from './run-beginning.js';
import { Saver } from './saver.js';
import { loadTensors, saveCheckpoint } from './saving.js';
import { describeScaledRates, scaledRates } from './scaled-rates.js';
import { summarizeStages } from './stage-summaries.js';
import { type Summary, writeSummary } from './summary.js';
import { RunEvents } from './tensorboard/run-events.js';
import { Training } from './training.js';

export interface TrainOptions
  extends Pick<GroupOptions, 'config' | 'workers' | 'launch' | 'bind' | 'advertise'> {
  /** The run folder; refused if something is in it, unless it is resumed. Without it one under runs/. */
  readonly out: string | undefined;
  /** Where what workers need to join is written. By default in the run folder. */
  readonly joinFile?: string | undefined;
  /** Go on with the run in `out` from its newest whole checkpoint, if there is one. */
  readonly resume: boolean;
  /** With fewer the run waits for another one, and ends when none can come. */
  readonly minWorkers: number;
  /** Aborted when the run is to save and end. */
  readonly stop: AbortSignal;
  readonly progress: Progress;
}

/** How a run ended; `run` is its folder. */
export type Outcome =
  | { readonly state: 'finished'; readonly run: string; readonly summary: Summary }
  /** A stop was requested; all commits are saved. */
  | { readonly state: 'stopped'; readonly run: string; readonly step: number };

/** Where events go. */
interface Journal {
  append(event: MetricsEvent): void;
  /** Resolves when they survive a power cut. */
  sync(): Promise<void>;
}

/** @throws LockstepError; the run folder then holds everything up to the failure. */
export async function train(options: TrainOptions): Promise<Outcome> {
  const { config, progress } = options;
  const beginning = await beginRun(config, options, startOf(options), {
    inputs: () => runInputs(options),
    warn: (message) => progress.note(message),
  });
  const { folder, checkpoint, initialWeights, summary } = beginning;
  if (summary !== undefined) {
    progress.note(`${folder.path} has ended already: nothing is left to do`);
    return { state: 'finished', run: folder.path, summary };
  }
  const logger = openLog(folder.path, 'coordinator');
  const log = (message: string) => logger.info(message);
  const metrics = new MetricsWriter(folder.metrics);
  const board = await RunEvents.begin(folder.path, beginning.events, (message) => {
    log(message);
    progress.note(message);
  });
  let lastStep = 0;
  const journal: Journal = {
    append: (event) => {
      lastStep = event.step;
      metrics.append(event);
      board.append(event);
    },
    sync: () => metrics.sync(),
  };
  try {
    const outcome = await run(options, beginning, journal, log);
    if (outcome.state === 'finished') board.finish(outcome.summary, lastStep);
    await leaveReport(folder.path, (message) => progress.note(message));
    return outcome;
  } catch (error) {
    const why = error instanceof LockstepError ? error.line : String(error);
    logger.error(why);
    // The error is what the user is to see, whatever becomes of the report.
    await leaveReport(folder.path, log);
    throw error;
  } finally {
    progress.end();
    board.close();
    metrics.close();
    logger.close();
    await checkpoint?.close();
    await initialWeights?.close();
  }
}

function startOf({ config, workers, launch }: TrainOptions) {
  return {
    startedAt: new Date().toISOString(),
    commandLine: process.argv.slice(2),
    topology: { workers, launch, threads: config.threads },
    versions: { lockstep: version, node: process.version, tensorflow: readInstallation().version },
  };
}

const emulatedBfloat16 =
  'This processor has no instructions for bfloat16, so it is emulated, slower than float32 (without AVX-512 many times): consider --set precision=float32.';

async function run(
  options: TrainOptions,
  { folder, checkpoint, initialWeights, events: earlier }: RunBeginning,
  journal: Journal,
  log: (message: string) => void,
): Promise<Outcome> {
  const began = performance.now();
  const { config, progress } = options;
  const events: MetricsEvent[] = [...earlier];
  const record = (event: MetricsEvent) => {
    journal.append(event);
    events.push(event);
  };
  // Before there are workers that wait to hear from here: nvidia-smi may take its time.
  const idle = options.launch === 'local' ? idleGpus() : undefined;
  if (idle !== undefined) progress.note(idle);
  const { restarts } = config.recovery;
  const { logs } = folder;
  const joinFile = options.joinFile ?? folder.join;
  let begun: Saver | undefined;
  const work = async (ready: ReadyGroup): Promise<Outcome> => {
    const { group, timeline } = ready;
    const stop = AbortSignal.any([options.stop, ready.signalled]);
    progress.begin(config.name, timeline);
    if (
      options.launch === 'local' &&
      config.precision === 'bfloat16' &&
      bfloat16Instructions()?.length === 0
    ) {
      progress.note(emulatedBfloat16);
    }
    for (const rates of scaledRates(config)) progress.note(describeScaledRates(rates));
    const firstStep = checkpoint?.manifest.step ?? 0;
    if (firstStep > 0) progress.note(`goes on after step ${firstStep} of ${timeline.totalSteps}`);
    const checkpointMs = config.deadlines.checkpointSeconds * 1000;
    const saver = new Saver({
      ...{ runFolder: folder.path, keep: config.checkpoint.keep, events },
      save: (standing) =>
        saveCheckpoint(standing, {
          ...{ group, runFolder: folder.path, deadlineMs: checkpointMs },
          // A run that goes on from it has the metrics up to there, whatever happens to the machine.
          before: async () => {
            await journal.sync().catch((cause: LockstepError) => {
              throw new LockstepError('CHECKPOINT', cause.message, { ...cause.details, cause });
            });
          },
        }),
      saved: log,
      failed: (message) => {
        log(message);
        progress.note(message);
      },
    });
    begun = saver;
    const recovery = new Recovery({
      ...ready,
      config,
      minWorkers: options.minWorkers,
      quiet: () => saver.settle(),
      formed: (formed) => {
        const line = describeGeneration(formed);
        log(line);
        progress.note(line);
        record({ type: 'generation', ...place(events), ...formed });
      },
    });
    const done = await new Training({
      ...ready,
      config,
      firstStep,
      stop,
      recovery,
      initialize: async () => {
        if (initialWeights === undefined) return;
        const done = await initialWeights.give(group);
        for (const message of [...initialWeights.notes, done]) {
          log(message);
          progress.note(message);
        }
      },
      ...(checkpoint === undefined
        ? {}
        : {
            restore: async ({ index }) => {
              // A new stage starts its optimiser anew.
              const files: CheckpointFile[] = ['weights'];
              if (checkpoint.manifest.position.stage === index) files.push('optimizer');
              await loadTensors(group, checkpoint, files, checkpointMs);
            },
          }),
      observer: {
        stage: (stage: TimelineStage) => {
          log(`stage '${stage.config.name}' begins`);
          progress.stage(stage);
        },
        encoded: (done, rounds, seconds) => {
          if (done > 1 && done < rounds) return;
          const line = `features of the frozen encoder: ${done} of ${rounds} rounds, ${seconds.toFixed(1)} s`;
          log(line);
          progress.note(line);
        },
        step: (event: StepEvent, position: Position) => {
          saver.check();
          record(event);
          progress.step(event, position);
        },
        trace: record,
        evaluation: (event: EvalEvent) => {
          record(event);
          progress.evaluation(event);
        },
        checkpoint: (position: Position, step: number) => saver.begin(standing(config, position, step)),
        get wantsCheckpoint() {
          return saver.missed !== undefined;
        },
      },
    }).run();
    const saved = await saver.finish(() => group.survivors.length > 0);
    const weightsDigest = saved ?? checkpoint?.manifest.weightsDigest ?? '';
    if (done < timeline.totalSteps) {
      log(`stopped after step ${done}`);
      return { state: 'stopped', run: folder.path, step: done };
    }
    const stages = summarizeStages(timeline.stages, events);
    const accuracy = stages.findLast(({ objective }) => objective === 'softmax')?.accuracy ?? null;
    const summary = { stages, accuracy, seconds: (performance.now() - began) / 1000, weightsDigest };
    await writeSummary(folder.summary, summary);
    return { state: 'finished', run: folder.path, summary };
  };
  try {
    return await withWorkers({ ...options, logs, joinFile, restarts, log }, work);
  } finally {
    // What it has to say goes to a log that is closed next.
    await begun?.settle().catch(() => {});
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
