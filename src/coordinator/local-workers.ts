/** Worker processes on this host: one a place, each with one GPU where there are GPUs, and its own log file. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Join, joinVariable } from '../shared/security/join.js';
import { workerEnvironment, workerNodeFlags } from '../shared/worker-process.js';
import { CoreTurns } from './core-turns.js';
import { gpusFor } from './gpus.js';

const entry = fileURLToPath(new URL('../cli/main.js', import.meta.url));

export interface LaunchOptions {
  readonly count: number;
  /** That compute, of each worker. */
  readonly threads: number;
  readonly join: Join;
  /** Where worker-N.log goes. */
  readonly logs: string;
  /** How often in all workers that end are started again, after a while that doubles each time. */
  readonly restarts: number;
  /** Variables beside this process's own. */
  readonly environment?: NodeJS.ProcessEnv | undefined;
  /** `byItself`: no signal ended it, so it has told the coordinator why. */
  readonly onExit: (slot: number, how: string, byItself: boolean) => void;
}

/** What passes before a worker is started again for the first time. */
const firstBackOffMs = 500;

export class LocalWorkers {
  readonly #children: ChildProcess[] = [];
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #coreTurns: CoreTurns;
  #restarts = 0;
  #ending = false;

  private constructor(
    private readonly options: LaunchOptions,
    private readonly gpus: readonly string[],
  ) {
    this.#coreTurns = new CoreTurns({
      workers: gpus.length > 0 ? 0 : options.count,
      threads: options.threads,
      pids: () => this.#children.map((child) => (isRunning(child) ? child.pid : undefined)),
    });
    // A coordinator that is ended at once leaves no workers that wait for it.
    process.once('exit', this.#killAll);
  }

  /** @throws LockstepError USAGE as `gpusFor` */
  static launch(options: LaunchOptions): LocalWorkers {
    const workers = new LocalWorkers(options, gpusFor(options.count));
    for (let slot = 0; slot < options.count; slot += 1) workers.#start(slot);
    return workers;
  }

  /** Processes that run now. */
  get running(): number {
    return this.#running().length;
  }

  /** Processes that are about to be started again. */
  get starting(): number {
    return this.#timers.size;
  }

  /** Ends the process in a place; it is started again like any other that ends. */
  kill(slot: number): void {
    const child = this.#children[slot];
    if (child !== undefined && this.#running().includes(child)) child.kill('SIGKILL');
  }

  /** Waits for all to end by themselves, as they were told to; then ends the rest by force. */
  async end(graceMs: number): Promise<void> {
    this.#ending = true;
    for (const timer of this.#timers) clearTimeout(timer);
    await this.#wait(graceMs);
    this.#killAll();
    await this.#wait(2000);
    process.off('exit', this.#killAll);
  }

  #start(slot: number): void {
    const { logs, onExit } = this.options;
    const log = openSync(join(logs, `worker-${slot}.log`), 'a');
    const child = spawn(process.execPath, [...workerNodeFlags, entry, 'worker', '--slot', String(slot)], {
      stdio: ['ignore', log, log],
      env: {
        ...process.env,
        ...workerEnvironment,
        ...this.options.environment,
        CUDA_VISIBLE_DEVICES: this.gpus[slot] ?? '',
        // Not on the command line, which every user of the host can read.
        [joinVariable]: JSON.stringify(this.options.join),
      },
    });
    closeSync(log);
    const ended = (how: string, byItself: boolean) => {
      this.#startAgain(slot);
      onExit(slot, how, byItself);
    };
    child.once('error', (error) => ended(`it could not be started: ${error.message}`, false));
    child.once('exit', (code, signal) =>
      signal === null ? ended(`it ended with code ${code}`, true) : ended(`killed by ${signal}`, false),
    );
    this.#children[slot] = child;
  }

  #startAgain(slot: number): void {
    if (this.#ending || this.#restarts >= this.options.restarts) return;
    const timer = setTimeout(
      () => {
        this.#timers.delete(timer);
        this.#start(slot);
      },
      firstBackOffMs * 2 ** this.#restarts,
    );
    this.#restarts += 1;
    this.#timers.add(timer);
  }

  readonly #killAll = (): void => {
    this.#coreTurns.end();
    for (const child of this.#running()) child.kill('SIGKILL');
  };

  #running(): ChildProcess[] {
    return this.#children.filter(isRunning);
  }

  async #wait(ms: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, ms);
    });
    const ends = this.#running().map(
      (child) => new Promise<void>((resolve) => child.once('exit', () => resolve())),
    );
    await Promise.race([Promise.all(ends), patience]);
    clearTimeout(timer);
  }
}

function isRunning({ pid, exitCode, signalCode }: ChildProcess): boolean {
  return pid !== undefined && exitCode === null && signalCode === null;
}
