/** `lockstep worker`: one worker, for a coordinator anywhere. */
import { type Logger, pino } from 'pino';
import { LockstepError } from '../shared/errors.js';
import { awaitJoinFile } from '../shared/security/await-join.js';
import { type Join, joinVariable, parseJoin } from '../shared/security/join.js';
import { addressOfInterface } from '../shared/slurm/address.js';
import { gpuOf, type SlurmJob, slurmJob } from '../shared/slurm/job.js';
import { addressTowards } from '../shared/transport/address.js';
import { runWorker } from '../worker/worker.js';
import type { CommandBody } from './command.js';
import { interfaceOption } from './interface-option.js';
import { runCommand } from './output.js';

interface WorkerArguments {
  readonly join: string | undefined;
  readonly coordinator: string | undefined;
  readonly address: string | undefined;
  readonly interface: string | undefined;
  readonly slot: number | undefined;
}

export const workerCommand: CommandBody<WorkerArguments> = {
  builder: (yargs) =>
    yargs
      .option('join', {
        type: 'string',
        describe: `The run's join.json, which the coordinator writes; or its text in ${joinVariable}  [default in a Slurm job: the one of the job's coordinator]`,
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
      .option('interface', interfaceOption)
      .option('slot', { type: 'number', hidden: true })
      .example('$0 worker --join runs/one/join.json', 'join a run on this or another host')
      .example('srun $0 worker', 'in a Slurm job, one worker a task'),
  handler: ({ join: file, coordinator, address, interface: network, slot }) =>
    runCommand(false, async () => {
      // Synchronous, so that nothing is lost when the process ends by an error.
      const logger = pino({ base: { pid: process.pid } }, pino.destination({ fd: 1, sync: true }));
      const job = slurmJob();
      // One that a coordinator has launched has its place and its GPU from there.
      const task = slot === undefined ? job?.task : undefined;
      const signalled = task === undefined ? ignoreFirstSignal(logger) : passOnSignals(logger);
      const { CUDA_VISIBLE_DEVICES: visible } = process.env;
      if (task !== undefined && visible !== undefined) {
        process.env.CUDA_VISIBLE_DEVICES = gpuOf(task.localRank, visible);
      }
      const log = (message: string) => logger.info(message);
      const given = await joinOf(file, job, log);
      const join = coordinator === undefined ? given : { ...given, endpoint: coordinator };
      await runWorker({
        join,
        address: address ?? (await addressFor(join, network)),
        slot: slot ?? task?.rank ?? null,
        ...(signalled === undefined ? {} : { signalled }),
        log,
      });
    }),
};

const signals = ['SIGINT', 'SIGUSR2', 'SIGTERM'] as const;

/**
 * A signal often goes to a whole process group, or to all processes of a job: the coordinator then saves and ends the
 * run, and needs its workers for that.
 */
function ignoreFirstSignal(logger: Logger): undefined {
  let before = false;
  for (const signal of signals) {
    process.on(signal, () => {
      logger.warn(
        before ? `ended by ${signal}` : `${signal}: the coordinator ends the run; again ends this worker`,
      );
      if (before) process.exit(1);
      before = true;
    });
  }
}

/**
 * Slurm preempts a job by a SIGTERM that reaches its tasks but not the batch shell, where the coordinator is. It sends more
 * of them later, and SIGKILL in the end, so none ends the worker here.
 */
function passOnSignals(logger: Logger): AbortSignal {
  const signalled = new AbortController();
  for (const signal of signals) {
    process.on(signal, () => {
      if (!signalled.signal.aborted) logger.warn(`${signal}: tells the coordinator to save and end the run`);
      signalled.abort(signal);
    });
  }
  return signalled.signal;
}

/** How long a worker waits for its coordinator to listen: it may have to unpack the data first. */
const joinMs = 300_000;

async function joinOf(
  file: string | undefined,
  job: SlurmJob | undefined,
  log: (message: string) => void,
): Promise<Join> {
  if (file !== undefined) return await awaitJoinFile(file, joinMs, log);
  const text = process.env[joinVariable];
  if (text !== undefined) return parseJoin(text, joinVariable);
  if (job !== undefined) return await awaitJoinFile(job.joinFile, joinMs, log);
  throw new LockstepError('USAGE', 'A worker needs to know which run to join.', {
    hint: 'Give the join.json in its run folder with --join.',
  });
}

/** Where the coordinator listens at loopback, nothing else may be reached from elsewhere either. */
async function addressFor({ endpoint, encrypted }: Join, network: string | undefined): Promise<string> {
  if (network !== undefined && encrypted) return addressOfInterface(network);
  return await addressTowards(endpoint);
}
