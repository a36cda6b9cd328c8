/** `lockstep worker`: one worker, for a coordinator anywhere. */
import { pino } from 'pino';
import type { CommandModule } from 'yargs';
import { runWorker } from '../worker/worker.js';
import { runCommand } from './output.js';

interface WorkerArguments {
  readonly coordinator: string;
  readonly address: string;
  readonly slot: number | undefined;
}

export const workerCommand: CommandModule<object, WorkerArguments> = {
  command: 'worker',
  describe: 'Run one worker, for a coordinator on this or another host',
  builder: (yargs) =>
    yargs
      .option('coordinator', {
        type: 'string',
        demandOption: true,
        describe: "The coordinator's endpoint, as it prints it: tcp://HOST:PORT",
      })
      .option('address', {
        type: 'string',
        default: '127.0.0.1',
        describe: 'The address of this host that the other workers reach',
      })
      .option('slot', { type: 'number', hidden: true })
      .example('$0 worker --coordinator tcp://10.0.0.1:5555 --address 10.0.0.2', 'join a run on other hosts'),
  handler: ({ coordinator, address, slot }) =>
    runCommand(false, async () => {
      // Synchronous, so that nothing is lost when the process ends by an error.
      const logger = pino({ base: { pid: process.pid } }, pino.destination({ fd: 1, sync: true }));
      // A signal often goes to a whole process group, or to all processes of a job: the coordinator then saves and ends
      // the run, and needs its workers for that.
      for (const signal of ['SIGINT', 'SIGUSR2', 'SIGTERM']) {
        let before = false;
        process.on(signal, () => {
          logger.warn(
            before ? `ended by ${signal}` : `${signal}: the coordinator ends the run; again ends this worker`,
          );
          if (before) process.exit(1);
          before = true;
        });
      }
      await runWorker({ coordinator, address, slot: slot ?? null, log: (message) => logger.info(message) });
    }),
};
