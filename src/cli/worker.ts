/** `lockstep worker`: one worker, for a coordinator anywhere. */
import { pino } from 'pino';
import type { CommandModule } from 'yargs';
import { LockstepError } from '../shared/errors.js';
import { type Join, joinVariable, parseJoin, readJoinFile } from '../shared/security/join.js';
import { addressTowards } from '../shared/transport/address.js';
import { runWorker } from '../worker/worker.js';
import { runCommand } from './output.js';

interface WorkerArguments {
  readonly join: string | undefined;
  readonly coordinator: string | undefined;
  readonly address: string | undefined;
  readonly slot: number | undefined;
}

export const workerCommand: CommandModule<object, WorkerArguments> = {
  command: 'worker',
  describe: 'Run one worker, for a coordinator on this or another host',
  builder: (yargs) =>
    yargs
      .option('join', {
        type: 'string',
        describe: `The run's join.json, which the coordinator writes into its folder; or its text in ${joinVariable}`,
      })
      .option('coordinator', {
        type: 'string',
        describe: 'Reach the coordinator at tcp://HOST:PORT, not where the join file says',
      })
      .option('address', {
        type: 'string',
        describe:
          'The address of this host that other workers reach  [default: found from the way to the coordinator]',
      })
      .option('slot', { type: 'number', hidden: true })
      .example('$0 worker --join runs/one/join.json', 'join a run on this or another host'),
  handler: ({ join: file, coordinator, address, slot }) =>
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
      const given = joinOf(file);
      const join = coordinator === undefined ? given : { ...given, endpoint: coordinator };
      await runWorker({
        join,
        address: address ?? (await addressTowards(join.endpoint)),
        slot: slot ?? null,
        log: (message) => logger.info(message),
      });
    }),
};

function joinOf(file: string | undefined): Join {
  if (file !== undefined) return readJoinFile(file);
  const text = process.env[joinVariable];
  if (text !== undefined) return parseJoin(text, joinVariable);
  throw new LockstepError('USAGE', 'A worker needs to know which run to join.', {
    hint: 'Give the join.json in its run folder with --join.',
  });
}
