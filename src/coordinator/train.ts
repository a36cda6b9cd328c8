/** `lockstep train`: a config becomes a run folder. */
import { readInstallation } from '../shared/engine/installation.js';
import { LockstepError } from '../shared/errors.js';
import { version } from '../shared/version.js';
import { idleGpus } from './gpus.js';
import { openLog } from './log.js';
import { MetricsWriter } from './metrics.js';
import { leaveReport } from './report/end-of-run.js';
import { type GroupOptions, type ReadyGroup, runInputs, withWorkers } from './run.js';
import { beginRun, type RunBeginning } from './run-beginning.js';
import { RunTraining, type RunTrainingOptions, type Telling } from './run-training.js';
import { summarizeStages } from './stage-summaries.js';
import { type Summary, writeSummary } from './summary.js';
import { RunEvents } from './tensorboard/run-events.js';

export interface TrainOptions
  extends RunTrainingOptions,
    Pick<GroupOptions, 'workers' | 'bind' | 'advertise'> {
  /** The run folder; refused if something is in it, unless it is resumed. Without it one under runs/. */
  readonly out: string | undefined;
  /** Where what workers need to join is written. By default in the run folder. */
  readonly joinFile?: string | undefined;
  /** Go on with the run in `out` from its newest whole checkpoint, if there is one. */
  readonly resume: boolean;
}

/** How a run ended; `run` is its folder. */
export type Outcome =
  | { readonly state: 'finished'; readonly run: string; readonly summary: Summary }
  /** A stop was requested; all commits are saved. */
  | { readonly state: 'stopped'; readonly run: string; readonly step: number };

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
  const telling: Telling = {
    append: (event) => {
      lastStep = event.step;
      metrics.append(event);
      board.append(event);
    },
    sync: () => metrics.sync(),
    log,
    note: (message) => {
      log(message);
      progress.note(message);
    },
  };
  try {
    const outcome = await run(options, beginning, telling);
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

/** Trains with workers, from the first that is started to the summary. */
async function run(options: TrainOptions, beginning: RunBeginning, telling: Telling): Promise<Outcome> {
  const began = performance.now();
  const { config, launch } = options;
  // Before there are workers that wait to hear from here: nvidia-smi may take its time.
  const idle = launch === 'local' ? idleGpus() : undefined;
  if (idle !== undefined) telling.note(idle);
  const { folder } = beginning;
  const groupOptions: GroupOptions = {
    ...options,
    logs: folder.logs,
    joinFile: options.joinFile ?? folder.join,
    restarts: config.recovery.restarts,
    log: telling.log,
  };
  const training = new RunTraining(options, beginning, telling);
  const work = async (ready: ReadyGroup): Promise<Outcome> => {
    const { done, weightsDigest } = await training.run(ready);
    const { totalSteps, stages: planned } = ready.timeline;
    if (done < totalSteps) {
      telling.log(`stopped after step ${done}`);
      return { state: 'stopped', run: folder.path, step: done };
    }
    const stages = summarizeStages(planned, training.events);
    const accuracy = stages.findLast(({ objective }) => objective === 'softmax')?.accuracy ?? null;
    const summary = { stages, accuracy, seconds: (performance.now() - began) / 1000, weightsDigest };
    await writeSummary(folder.summary, summary);
    return { state: 'finished', run: folder.path, summary };
  };
  try {
    return await withWorkers(groupOptions, work);
  } finally {
    // What it has to say goes to a log that is closed next.
    await training.settle();
  }
}
