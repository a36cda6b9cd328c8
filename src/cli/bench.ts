/** `lockstep bench`: how fast the parts are. */
import { type CommandBody, lazyCommand } from './command.js';

const parts = [
  lazyCommand(
    'step',
    'Measure a training step: forward, backward, exchange, update',
    async () => (await import('./bench-step.js')).benchStepCommand,
  ),
  lazyCommand(
    'allreduce',
    'Time the exchange of gradients between processes of this host',
    async () => (await import('./bench-allreduce.js')).benchAllReduceCommand,
  ),
  lazyCommand(
    'links',
    'Compare the all-reduce on simulated links with what forecasts say it takes',
    async () => (await import('./bench-links.js')).benchLinksCommand,
  ),
];

export const benchCommand: CommandBody = {
  builder: (yargs) => yargs.command(parts).demandCommand(1, 'Give step, allreduce or links.'),
  handler: () => {},
};
