/** `lockstep train`: a run on this host. */
import type { Argv } from 'yargs';
import { LineProgress } from '../coordinator/progress.js';
import { type TrainOptions, train } from '../coordinator/train.js';
import { loadConfig } from '../shared/config/load.js';
import type { CommandBody } from './command.js';
import { print, runCommand } from './output.js';
import { resultTable } from './results.js';
import { stopBySignal } from './signals.js';
import { wholeNumber } from './whole-number.js';

/** What both ways to start a run take. */
export interface RunArguments {
  readonly config: string;
  readonly workers: number;
  readonly out: string | undefined;
  readonly set: readonly string[];
  readonly resume: boolean;
  readonly 'min-workers': number;
  readonly json: boolean;
}

export const trainCommand: CommandBody<RunArguments> = {
  builder: (yargs) =>
    runOptions(yargs)
      .option('workers', {
        type: 'number',
        default: 1,
        describe: 'Worker processes, one GPU each where there are GPUs',
      })
      .example('$0 train configs/demo-contrastive.yaml --workers 2', 'two workers on this host')
      .example('$0 train configs/demo-traditional.yaml --out runs/one --resume', 'begin it, or go on with it')
      .example('$0 train configs/demo-traditional.yaml --set stages.0.epochs=1', 'another value for one key'),
  handler: (args) => startRun(args, async () => ({ launch: 'local', bind: 'tcp://127.0.0.1:*' })),
};

/**
 * Trains, and prints what came of it.
 * @param findPlace where workers are launched and reach the coordinator; may throw LockstepError
 */
export function startRun(
  { config: path, workers, out, set, resume, json, 'min-workers': minWorkers }: RunArguments,
  findPlace: () => Promise<Pick<TrainOptions, 'launch' | 'bind' | 'advertise' | 'joinFile'>>,
): Promise<void> {
  return runCommand(json, async () => {
    const config = await loadConfig(path, { set });
    const progress = new LineProgress(process.stderr);
    const stop = stopBySignal((text) => progress.note(text));
    const outcome = await train({
      config,
      workers: wholeNumber('--workers', workers),
      ...(await findPlace()),
      out,
      resume,
      minWorkers: wholeNumber('--min-workers', minWorkers, 1, workers),
      stop,
      progress,
    });
    const { run } = outcome;
    if (outcome.state === 'stopped') {
      const { step } = outcome;
      if (json) print({ stopped: true, step, run });
      progress.note(`Saved after step ${step}. The same command with --out ${run} --resume goes on.`);
      return;
    }
    const { summary } = outcome;
    if (json) print({ ...summary, run });
    else process.stdout.write(resultTable([{ name: config.name, run, summary }]));
  });
}

/** The options that both ways to start a run have. */
export function runOptions(
  yargs: Argv,
): Argv<Pick<RunArguments, 'config' | 'set' | 'out' | 'resume' | 'min-workers' | 'json'>> {
  return configArguments(yargs)
    .option('out', { type: 'string', describe: 'Run folder  [default: runs/NAME-TIME]' })
    .option('resume', {
      type: 'boolean',
      default: false,
      describe: 'Go on with the run in --out from its last checkpoint, on any number of workers',
    })
    .option('min-workers', {
      type: 'number',
      default: 1,
      describe: 'Go on with so few when workers are lost; with fewer wait for others, and end after a while',
    })
    .option('json', { type: 'boolean', default: false, describe: 'Print the summary as JSON on stdout' });
}

/** A config file and what overrides it; `fallback` where none is given. */
export function configArguments(yargs: Argv, fallback?: string): Argv<{ config: string; set: string[] }> {
  return overrides(
    yargs.positional('config', {
      type: 'string',
      ...(fallback === undefined ? { demandOption: true } : { default: fallback }),
      describe: configDescription,
    }),
  );
}

export const configDescription = 'A config file (YAML), see docs/config.md';

export function overrides<T>(yargs: Argv<T>): Argv<T & { set: string[] }> {
  return yargs.option('set', {
    type: 'string',
    array: true,
    nargs: 1,
    default: [] as string[],
    describe: 'Override a key, as in stages.0.epochs=2; may be repeated',
  });
}
