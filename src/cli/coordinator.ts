/** `lockstep coordinator`: a run whose workers are started by hand, on any hosts. */
import type { CommandModule } from 'yargs';
import { LineProgress } from '../coordinator/progress.js';
import { train } from '../coordinator/train.js';
import { loadConfig } from '../shared/config/load.js';
import { print, runCommand } from './output.js';
import { resultTable } from './results.js';
import { configArguments, wholeWorkers } from './train.js';

interface CoordinatorArguments {
  readonly config: string;
  readonly workers: number;
  readonly bind: string;
  readonly out: string | undefined;
  readonly set: readonly string[];
  readonly json: boolean;
}

export const coordinatorCommand: CommandModule<object, CoordinatorArguments> = {
  command: 'coordinator <config>',
  describe: 'Coordinate a run of workers that are started by hand',
  builder: (yargs) =>
    configArguments(yargs)
      .option('workers', { type: 'number', demandOption: true, describe: 'How many workers to wait for' })
      .option('bind', { type: 'string', demandOption: true, describe: 'Where to listen: tcp://ADDRESS:PORT' })
      .option('out', { type: 'string', describe: 'Run folder  [default: runs/NAME-TIME]' })
      .option('json', { type: 'boolean', default: false, describe: 'Print the summary as JSON on stdout' })
      .example('$0 coordinator configs/demo-traditional.yaml --workers 2 --bind tcp://10.0.0.1:5555', ''),
  handler: ({ config: path, workers, bind, out, set, json }) =>
    runCommand(json, async () => {
      const config = await loadConfig(path, { set });
      const { summary, run } = await train({
        config,
        workers: wholeWorkers(workers),
        launch: 'remote',
        bind,
        out,
        progress: new LineProgress(process.stderr),
      });
      if (json) print({ ...summary, run });
      else process.stdout.write(resultTable([{ name: config.name, run, summary }]));
    }),
};
