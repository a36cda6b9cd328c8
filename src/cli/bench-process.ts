/** A process that a benchmark measures: it is asked, it replies, and it is gone when the benchmark ends. */
import { type ChildProcess, fork } from 'node:child_process';
import { LockstepError } from '../shared/errors.js';
import { joinVariable } from '../shared/security/join.js';
import type { Protection } from '../shared/security/socket-options.js';
import { workerEnvironment, workerNodeFlags } from '../shared/worker-process.js';

interface Message {
  readonly type: string;
}

/** Every script may say this instead of what it was asked for. */
interface Failure {
  readonly type: 'failed';
  readonly message: string;
}

const replyDeadlineMs = 120_000;

export class BenchProcess<Request extends Message, Reply extends Message> {
  readonly #child: ChildProcess;
  readonly #replies: (Reply | Failure)[] = [];
  #waiting: ((reply: Reply | Failure) => void) | undefined;

  /** @param script what is measured; it finds `protection` by `benchProtection` */
  constructor(script: string, protection: Protection, environment: NodeJS.ProcessEnv = {}) {
    this.#child = fork(script, {
      execArgv: [...workerNodeFlags],
      // What TensorFlow says about its kernels is no finding, unless oneDNN was asked; the last line of stderr may be
      // the reason of an early end.
      stdio: ['ignore', process.env.ONEDNN_VERBOSE ? process.stderr : 'ignore', 'pipe', 'ipc'],
      env: {
        ...process.env,
        ...workerEnvironment,
        ...environment,
        [joinVariable]: JSON.stringify(protection),
      },
    });
    let said = '';
    this.#child.stderr!.on('data', (data) => {
      said = `${said}${data}`.slice(-2000);
    });
    this.#child.on('message', (reply: Reply) => this.#take(reply));
    this.#child.on('exit', (code, signal) => {
      const last = said.trimEnd().split('\n').at(-1);
      const how = signal ?? `exit code ${code}`;
      this.#take({ type: 'failed', message: `a process ended early (${how}): ${last}` });
    });
  }

  ask<T extends Reply['type']>(request: Request, type: T): Promise<Extract<Reply, { type: T }>> {
    this.#child.send(request);
    return this.reply(type);
  }

  /** @throws LockstepError WORKER_LOST when it fails, ends, or takes too long */
  async reply<T extends Reply['type']>(type: T): Promise<Extract<Reply, { type: T }>> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<Failure>((resolve) => {
      const message = `a process sent no '${type}' in ${replyDeadlineMs / 1000} s`;
      timer = setTimeout(() => resolve({ type: 'failed', message }), replyDeadlineMs);
    });
    const next = new Promise<Reply | Failure>((resolve) => {
      const queued = this.#replies.shift();
      if (queued === undefined) this.#waiting = resolve;
      else resolve(queued);
    });
    const reply = await Promise.race([next, late]).finally(() => clearTimeout(timer));
    if (reply.type === type) return reply as Extract<Reply, { type: T }>;
    const what =
      reply.type === 'failed' ? (reply as Failure).message : `${reply.type} came instead of ${type}`;
    throw new LockstepError('WORKER_LOST', `Nothing could be measured: ${what.replace(/\.$/, '')}.`);
  }

  /** While it runs. */
  get pid(): number | undefined {
    return this.#child.exitCode === null && this.#child.signalCode === null ? this.#child.pid : undefined;
  }

  end(): void {
    this.#child.kill('SIGKILL');
  }

  #take(reply: Reply | Failure): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting === undefined) this.#replies.push(reply);
    else waiting(reply);
  }
}
