/** `lockstep bench`: how fast the parts are. */
import type { CommandModule } from 'yargs';
import { benchAllReduceCommand } from './bench-allreduce.js';
import { benchLinksCommand } from './bench-links.js';
import { benchStepCommand } from './bench-step.js';

export const benchCommand: CommandModule = {
  command: 'bench <what>',
  describe: 'Measure a training step, the all-reduce, or what links do to it',
  builder: (yargs) =>
    yargs
      .command([benchStepCommand, benchAllReduceCommand, benchLinksCommand] as unknown as CommandModule[])
      .demandCommand(1, 'Give step, allreduce or links.'),
  handler: () => {},
};
