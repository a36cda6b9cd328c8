/** Worker processes on this host: one a place, each with one GPU where there are GPUs, and its own log file. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { LockstepError } from '../shared/errors.js';
import { workerNodeFlags } from '../shared/transport/frame-memory.js';

const entry = fileURLToPath(new URL('../cli/main.js', import.meta.url));

export interface LaunchOptions {
  readonly count: number;
  /** The coordinator's endpoint. */
  readonly coordinator: string;
  /** Where worker-N.log goes. */
  readonly logs: string;
  readonly onExit: (slot: number, how: string) => void;
}

export class LocalWorkers {
  readonly #children: ChildProcess[] = [];

  /** @throws LockstepError USAGE when there are GPUs, but fewer than workers. */
  static launch(options: LaunchOptions): LocalWorkers {
    const gpus = visibleGpus();
    if (gpus.length > 0 && gpus.length < options.count) {
      throw new LockstepError(
        'USAGE',
        `${options.count} workers need a GPU each; this host shows ${gpus.length}.`,
        {
          hint: `Use --workers ${gpus.length}, or set CUDA_VISIBLE_DEVICES= to train on the CPU.`,
        },
      );
    }
    const workers = new LocalWorkers();
    // A coordinator that is ended at once leaves no workers that wait for it.
    process.once('exit', () => {
      for (const child of workers.#running()) child.kill('SIGKILL');
    });
    for (let slot = 0; slot < options.count; slot += 1) workers.#start(slot, gpus[slot] ?? '', options);
    return workers;
  }

  get pids(): readonly number[] {
    return this.#children.flatMap(({ pid }) => (pid === undefined ? [] : [pid]));
  }

  /** Waits for all to end by themselves, as they were told to; then ends the rest by force. */
  async end(graceMs: number): Promise<void> {
    await this.#wait(graceMs);
    for (const child of this.#running()) child.kill('SIGKILL');
    await this.#wait(2000);
  }

  #start(slot: number, gpu: string, { coordinator, logs, onExit }: LaunchOptions): void {
    const log = openSync(join(logs, `worker-${slot}.log`), 'a');
    const child = spawn(
      process.execPath,
      [...workerNodeFlags, entry, 'worker', '--coordinator', coordinator, '--slot', String(slot)],
      {
        stdio: ['ignore', log, log],
        env: {
          ...process.env,
          CUDA_VISIBLE_DEVICES: gpu,
          // Every run of the session that is in flight holds one thread of libuv's pool.
          UV_THREADPOOL_SIZE: '16',
        },
      },
    );
    closeSync(log);
    child.once('error', (error) => onExit(slot, `it could not be started: ${error.message}`));
    child.once('exit', (code, signal) =>
      onExit(slot, signal === null ? `it ended with code ${code}` : `killed by ${signal}`),
    );
    this.#children.push(child);
  }

  #running(): ChildProcess[] {
    return this.#children.filter(
      ({ pid, exitCode, signalCode }) => pid !== undefined && exitCode === null && signalCode === null,
    );
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

/** The GPUs that processes of this host may use, as CUDA_VISIBLE_DEVICES names them; empty without any. */
export function visibleGpus(environment: NodeJS.ProcessEnv = process.env): readonly string[] {
  const chosen = environment.CUDA_VISIBLE_DEVICES;
  if (chosen !== undefined) return chosen.split(',').filter((name) => name !== '' && name !== '-1');
  try {
    const listed = execFileSync('nvidia-smi', ['-L'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: 20_000,
    });
    return listed.split('\n').flatMap((line) => /^GPU (\d+):/.exec(line)?.[1] ?? []);
  } catch {
    return [];
  }
}
