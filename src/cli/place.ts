/** Where a coordinator listens for workers that are started by hand or by a batch system. */
import type { Argv } from 'yargs';
import { LockstepError } from '../shared/errors.js';
import { addressIn, addressOfInterface } from '../shared/slurm/address.js';
import { slurmJob } from '../shared/slurm/job.js';
import { interfaceOption } from './interface-option.js';

export interface PlaceArguments {
  readonly bind: string | undefined;
  readonly advertise: string | undefined;
  readonly interface: string | undefined;
  readonly join: string | undefined;
}

export function placeOptions<T>(yargs: Argv<T>): Argv<T & PlaceArguments> {
  return yargs
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
    }) as Argv<T & PlaceArguments>;
}

/** @throws LockstepError as `bindOf` */
export async function placeOf(args: PlaceArguments): Promise<{
  readonly bind: string;
  readonly advertise: string | undefined;
  readonly joinFile: string | undefined;
}> {
  return {
    bind: await bindOf(args),
    advertise: args.advertise,
    joinFile: args.join ?? slurmJob()?.joinFile,
  };
}

/** Where to listen for other hosts. @throws LockstepError USAGE when nothing says where; TRANSPORT as `addressIn` */
export async function bindOf({
  bind,
  interface: name,
}: Pick<PlaceArguments, 'bind' | 'interface'>): Promise<string> {
  if (bind !== undefined) return bind;
  if (name !== undefined) return `tcp://${addressOfInterface(name)}:*`;
  const job = slurmJob();
  if (job !== undefined) return `tcp://${await addressIn(job)}:*`;
  throw new LockstepError('USAGE', 'Nothing says where to listen for other hosts.', {
    hint: 'Give --bind tcp://ADDRESS:PORT, or the network interface with --interface.',
  });
}
