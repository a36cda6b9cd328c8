/** A worker's life: register, connect to the peers, then do what the coordinator deals until it says stop. */
import { hostname } from 'node:os';
import { parseConfig } from '../shared/config/parse.js';
import type { Config } from '../shared/config/schema.js';
import { readInstallation } from '../shared/engine/installation.js';
import { threadEnvironment } from '../shared/engine/threads.js';
import { LockstepError } from '../shared/errors.js';
import { protocolVersion } from '../shared/protocol/messages.js';
import type { Join } from '../shared/security/join.js';
import { isLoopback } from '../shared/transport/address.js';
import { machineIdentity } from '../shared/transport/machine.js';
import { Mesh } from '../shared/transport/mesh.js';
import { version } from '../shared/version.js';
import { CoordinatorLink } from './coordinator-link.js';
import { plannedFault } from './fault.js';

export interface WorkerOptions {
  readonly join: Join;
  /** The address that peers reach this worker at; its bulk socket listens there. */
  readonly address: string;
  /** Which of the launcher's places this process fills, if it was launched. */
  readonly slot: number | null;
  /** Aborted, with a signal's name for a reason, when the coordinator is to be told that the run is to end. */
  readonly signalled?: AbortSignal;
  readonly log: (message: string) => void;
}

/**
 * Runs a worker to its end.
 * @throws LockstepError that says why it ended early; the coordinator has been told.
 */
export async function runWorker(options: WorkerOptions): Promise<void> {
  const { join, address, log } = options;
  if (!join.encrypted && !isLoopback(address)) {
    throw new LockstepError(
      'USAGE',
      `This run is not encrypted, so nothing of it may listen at ${address}.`,
      {
        hint: 'Start the coordinator with --bind on a network address, or with --set exchange.encryption=always.',
      },
    );
  }
  const fault = plannedFault(process.env.LOCKSTEP_FAULT);
  const mesh = await Mesh.bind({ address, protection: join, warn: log });
  const link = new CoordinatorLink(join, fault);
  try {
    // Whatever the worker waits for, the end of the connection ends it.
    await Promise.race([work(options, mesh, link), link.lost]);
  } catch (error) {
    const { code, line } = asLockstepError(error);
    if (code !== 'COORDINATOR_LOST') {
      await link.send({ type: 'failed', code, message: line, phase: link.phase }).catch(() => {});
    }
    throw error;
  } finally {
    await mesh.close();
    await link.close();
  }
}

async function work(options: WorkerOptions, mesh: Mesh, link: CoordinatorLink): Promise<void> {
  link.watch(registrationMs);
  const { kind, version: engine } = readInstallation();
  const { CUDA_VISIBLE_DEVICES: visible } = process.env;
  if (kind === 'cpu' && visible) {
    options.log(
      `warning: GPU ${visible} stays idle: the engine is the CPU build (LOCKSTEP_ENGINE=gpu npm run setup)`,
    );
  }
  await link.send({
    type: 'register',
    protocol: protocolVersion,
    version,
    engine,
    host: hostname(),
    pid: process.pid,
    gpu: visible || null,
    peer: { host: hostname(), endpoint: mesh.endpoint, machine: machineIdentity() },
    slot: options.slot,
  });
  const { message: welcome } = await link.expect('welcome');
  passOn(options.signalled, link);
  const config = parseConfig(welcome.config, "the coordinator's configuration");
  link.watch(config.deadlines.heartbeatSeconds * 1000);
  const { Trainer } = await loadTrainer(config);
  const trainer = await Trainer.create(config, welcome.dataset, mesh, link, options.log);
  try {
    await trainer.run();
  } finally {
    await trainer.close();
  }
}

function passOn(signalled: AbortSignal | undefined, link: CoordinatorLink): void {
  const tell = () => void link.send({ type: 'signalled', signal: String(signalled?.reason) }).catch(() => {});
  if (signalled?.aborted) tell();
  else signalled?.addEventListener('abort', tell);
}

/** How long a worker waits for its coordinator to be there at all. */
const registrationMs = 120_000;

/**
 * TensorFlow reads the number of its threads when it is loaded, and the number belongs to the config (the bits depend
 * on it), so it is loaded only now.
 */
async function loadTrainer(config: Config) {
  Object.assign(process.env, threadEnvironment(config.threads));
  return await import('./trainer.js');
}

export function asLockstepError(error: unknown): LockstepError {
  if (error instanceof LockstepError) return error;
  return new LockstepError('ENGINE', error instanceof Error ? error.message : String(error), {
    cause: error,
  });
}
