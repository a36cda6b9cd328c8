/** `lockstep coordinator`: a run whose workers are started by hand, on any hosts. */
import type { CommandModule } from 'yargs';
import { type RunArguments, runOptions, startRun } from './train.js';

interface CoordinatorArguments extends RunArguments {
  readonly bind: string;
  readonly advertise: string | undefined;
}

export const coordinatorCommand: CommandModule<object, CoordinatorArguments> = {
  command: 'coordinator <config>',
  describe: 'Coordinate a run of workers that are started by hand',
  builder: (yargs) =>
    runOptions(yargs)
      .option('workers', { type: 'number', demandOption: true, describe: 'How many workers to wait for' })
      .option('bind', { type: 'string', demandOption: true, describe: 'Where to listen: tcp://ADDRESS:PORT' })
      .option('advertise', {
        type: 'string',
        describe: 'The name or address at which workers reach this host  [default: that of --bind]',
      })
      .example('$0 coordinator configs/demo-traditional.yaml --workers 2 --bind tcp://10.0.0.1:5555', ''),
  handler: (args) => startRun(args, { launch: 'remote', bind: args.bind, advertise: args.advertise }),
};
