/** `lockstep train`: a run on this host. */
import type { Argv, CommandModule } from 'yargs';
import { LineProgress } from '../coordinator/progress.js';
import { train } from '../coordinator/train.js';
import { loadConfig } from '../shared/config/load.js';
import { LockstepError } from '../shared/errors.js';
import { print, runCommand } from './output.js';
import { resultTable } from './results.js';

interface TrainArguments {
  readonly config: string;
  readonly workers: number;
  readonly out: string | undefined;
  readonly set: readonly string[];
  readonly json: boolean;
}

export const trainCommand: CommandModule<object, TrainArguments> = {
  command: 'train <config>',
  describe: 'Train on this host with N local workers',
  builder: (yargs) =>
    configArguments(yargs)
      .option('workers', {
        type: 'number',
        default: 1,
        describe: 'Worker processes, one GPU each where there are GPUs',
      })
      .option('out', { type: 'string', describe: 'Run folder  [default: runs/NAME-TIME]' })
      .option('json', { type: 'boolean', default: false, describe: 'Print the summary as JSON on stdout' })
      .example('$0 train configs/demo-contrastive.yaml --workers 2', 'two workers on this host')
      .example('$0 train configs/demo-traditional.yaml --set stages.0.epochs=1', 'another value for one key'),
  handler: ({ config: path, workers, out, set, json }) =>
    runCommand(json, async () => {
      const config = await loadConfig(path, { set });
      const progress = new LineProgress(process.stderr);
      const { summary, run } = await train({
        config,
        workers: wholeWorkers(workers),
        launch: 'local',
        bind: 'tcp://127.0.0.1:*',
        out,
        progress,
      });
      if (json) print({ ...summary, run });
      else process.stdout.write(resultTable([{ name: config.name, run, summary }]));
    }),
};

/** What every command that takes a config takes. */
export function configArguments(yargs: Argv): Argv<{ config: string; set: string[] }> {
  return yargs
    .positional('config', {
      type: 'string',
      demandOption: true,
      describe: 'A config file (YAML), see docs/config.md',
    })
    .option('set', {
      type: 'string',
      array: true,
      nargs: 1,
      default: [] as string[],
      describe: 'Override a key, as in stages.0.epochs=2; may be repeated',
    });
}

/** @throws LockstepError USAGE */
export function wholeWorkers(workers: number): number {
  if (Number.isInteger(workers) && workers >= 1) return workers;
  throw new LockstepError('USAGE', `--workers takes a whole number from 1, not ${workers}.`);
}
