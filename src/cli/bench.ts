/** `lockstep bench`: how fast the parts are. */
import type { CommandModule } from 'yargs';
import { benchAllReduceCommand } from './bench-allreduce.js';
import { benchStepCommand } from './bench-step.js';

export const benchCommand: CommandModule = {
  command: 'bench <what>',
  describe: 'Measure the all-reduce or a training step',
  builder: (yargs) =>
    yargs
      .command([benchStepCommand, benchAllReduceCommand] as unknown as CommandModule[])
      .demandCommand(1, 'Give step or allreduce.'),
  handler: () => {},
};
