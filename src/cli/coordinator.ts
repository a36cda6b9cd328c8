/** `lockstep coordinator`: a run whose workers are started by hand or by a batch system, on any hosts. */
import type { CommandModule } from 'yargs';
import { LockstepError } from '../shared/errors.js';
import { addressIn, addressOfInterface } from '../shared/slurm/address.js';
import { slurmJob } from '../shared/slurm/job.js';
import { interfaceOption } from './interface-option.js';
import { type RunArguments, runOptions, startRun } from './train.js';

interface CoordinatorArguments extends RunArguments {
  readonly bind: string | undefined;
  readonly advertise: string | undefined;
  readonly interface: string | undefined;
  readonly join: string | undefined;
}

export const coordinatorCommand: CommandModule<object, CoordinatorArguments> = {
  command: 'coordinator <config>',
  describe: 'Coordinate a run of workers that are started by hand',
  builder: (yargs) =>
    runOptions(yargs)
      .option('workers', { type: 'number', demandOption: true, describe: 'How many workers to wait for' })
      .option('bind', {
        type: 'string',
        describe:
          'Where to listen: tcp://ADDRESS:PORT  [default in a Slurm job: the address that its nodes reach, any free port]',
      })
      .option('interface', interfaceOption)
      .option('advertise', {
        type: 'string',
        describe: 'The name or address at which workers reach this host  [default: that of --bind]',
      })
      .option('join', {
        type: 'string',
        describe:
          'Where to write what workers need to join  [default: join.json in the run folder; in a Slurm job where its workers look]',
      })
      .example('$0 coordinator configs/demo-traditional.yaml --workers 2 --bind tcp://10.0.0.1:5555', ''),
  handler: (args) =>
    startRun(args, async () => ({
      launch: 'remote',
      bind: await bindOf(args),
      advertise: args.advertise,
      joinFile: args.join ?? slurmJob()?.joinFile,
    })),
};

async function bindOf({ bind, interface: name }: CoordinatorArguments): Promise<string> {
  if (bind !== undefined) return bind;
  if (name !== undefined) return `tcp://${addressOfInterface(name)}:*`;
  const job = slurmJob();
  if (job !== undefined) return `tcp://${await addressIn(job)}:*`;
  throw new LockstepError('USAGE', 'A coordinator needs to know where to listen.', {
    hint: 'Give --bind tcp://ADDRESS:PORT, or the network interface with --interface.',
  });
}
