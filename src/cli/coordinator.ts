/** `lockstep coordinator`: a run whose workers are started by hand or by a batch system, on any hosts. */
import type { CommandBody } from './command.js';
import { type PlaceArguments, placeOf, placeOptions } from './place.js';
import { type RunArguments, runOptions, startRun } from './train.js';

type CoordinatorArguments = RunArguments & PlaceArguments;

export const coordinatorCommand: CommandBody<CoordinatorArguments> = {
  builder: (yargs) =>
    placeOptions(
      runOptions(yargs).option('workers', {
        type: 'number',
        demandOption: true,
        describe: 'How many workers to wait for',
      }),
    ).example('$0 coordinator configs/demo-traditional.yaml --workers 2 --bind tcp://10.0.0.1:5555', ''),
  handler: (args) => startRun(args, async () => ({ launch: 'remote', ...(await placeOf(args)) })),
};
