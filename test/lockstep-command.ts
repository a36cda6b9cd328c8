/** The command line as a test runs it: real processes, which end with the test, and a folder that goes with it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { type MetricsEvent, readMetrics } from '../src/coordinator/metrics.js';
import { packageRoot } from '../src/shared/package-root.js';

const entry = join(packageRoot, 'dist', 'cli', 'main.js');

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
}

export class Commands {
  readonly folder = mkdtempSync(join(tmpdir(), 'lockstep-test-'));
  readonly #children = new Set<ChildProcess>();

  start(args: readonly string[], env: NodeJS.ProcessEnv = {}): Running {
    return this.startProgram(process.execPath, [entry, ...args], env);
  }

  /** Another program, which ends with the test as well. */
  startProgram(program: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Running {
    const child = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    });
    this.#children.add(child);
    let stdout = '';
    let stderr = '';
    child.stdout!.on('data', (data) => {
      stdout += data;
    });
    child.stderr!.on('data', (data) => {
      stderr += data;
    });
    const ended = once(child, 'close').then(([code]) => {
      this.#children.delete(child);
      return { code, stdout, stderr };
    });
    return { child, ended };
  }

  /** Ends what still runs. */
  killAll(): void {
    for (const child of this.#children) child.kill('SIGKILL');
  }

  /** Ends what still runs, and removes the folder. */
  end(): void {
    this.killAll();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Whether a process runs; one that only waits to be reaped does not. */
export function alive(pid: number): boolean {
  return existsSync(`/proc/${pid}`) && !/State:\sZ/.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
}

/** The workers' process ids, from the coordinator's log. */
export function workerPids(run: string): number[] {
  return [
    ...readFileSync(join(run, 'logs', 'coordinator.log'), 'utf8').matchAll(/registered: .* pid (\d+)/g),
  ].map(([, pid]) => Number(pid));
}

/** A run's events of one type. */
export async function eventsOf<T extends MetricsEvent['type']>(run: string, type: T) {
  const events = await readMetrics(join(run, 'metrics.jsonl'));
  return events.filter((event): event is Extract<MetricsEvent, { type: T }> => event.type === type);
}

/** What must not depend on the workers, nor on what happened to them: all that was computed. */
export async function computed(run: string): Promise<unknown[]> {
  const steps = await eventsOf(run, 'step');
  const evaluations = await eventsOf(run, 'eval');
  return [
    ...steps.map(({ stage, epoch, step, samples, loss, lr, gradNorm, accuracy, lossScale, skipped }) => [
      ...[stage, epoch, step, samples, loss, lr, gradNorm, accuracy, lossScale, skipped],
    ]),
    ...evaluations.map(({ stage, epoch, step, loss, accuracy }) => [stage, epoch, step, loss, accuracy]),
  ];
}

/** Resolves when the run has committed that many steps. */
export async function committed(run: string, steps: number): Promise<void> {
  const path = join(run, 'metrics.jsonl');
  const log = join(run, 'logs', 'coordinator.log');
  const count = () =>
    existsSync(path) ? (readFileSync(path, 'utf8').match(/"type":"step"/g)?.length ?? 0) : 0;
  const said = () => (existsSync(log) ? readFileSync(log, 'utf8') : `there is no ${log}`);
  await expect
    .poll(() => (count() >= steps ? 'committed' : said()), { timeout: 60_000, interval: 5 })
    .toBe('committed');
}

/** Where a run's coordinator listens, as soon as it does. */
export async function endpointOf(run: string): Promise<string> {
  const log = join(run, 'logs', 'coordinator.log');
  const found = () =>
    existsSync(log) ? /listens at (tcp:[\d.:/]+)/.exec(readFileSync(log, 'utf8'))?.[1] : undefined;
  await expect.poll(found, { timeout: 20_000 }).toBeDefined();
  return found()!;
}
