/** Worker processes that compute on the cores of one host take turns at them. */
import { readdirSync, readFileSync } from 'node:fs';
import { allowedCores, cacheNeighbours, runOn } from './cores.js';

/** Long against what the caches of a core take to be filled again, short against a step. */
const turnMs = 25;
/** Turns from one look for threads to the next: a worker starts them some seconds after itself, and may be another by then. */
const turnsBetweenLooks = 40;
/** As TensorFlow names the threads that compute. */
const computeThread = 'tf_Compute';

export interface CoreTurnOptions {
  /** Processes that take turns; fewer than two: none. */
  readonly workers: number;
  /** That compute, of each. */
  readonly threads: number;
  /** Of the workers by their places; undefined where none runs now. */
  readonly pids: () => readonly (number | undefined)[];
}

/**
 * Moves the computing threads of workers on to the next worker's cores, all at once, some times in each step.
 *
 * A step is over when its slowest worker is, and the cores of a virtual machine are not equally fast: a neighbour takes
 * part of one for a while, then of the other. The worker on it would be late by 100 to 300 ms, and all others wait. In
 * turns everybody has the same share of the slow core, and nobody waits.
 */
export class CoreTurns {
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #blocks: readonly (readonly number[])[];
  /** Of the workers by their places, as of the last look. */
  #threads: readonly (readonly number[])[] = [];
  #turn = 0;

  /** Begins at once, where there is something to take turns at: `coreBlocks`. */
  constructor(
    private readonly options: CoreTurnOptions,
    cores: readonly number[] = options.workers > 1 ? coresForTurns() : [],
  ) {
    this.#blocks = coreBlocks(cores, options.workers, options.threads);
    if (this.#blocks.length > 0) this.#timer = setInterval(() => this.#next(), turnMs).unref();
  }

  end(): void {
    clearInterval(this.#timer);
  }

  #next(): void {
    if (this.#turn % turnsBetweenLooks === 0) this.#threads = this.options.pids().map(computeThreads);
    for (const [place, threads] of this.#threads.entries()) {
      const block = this.#blocks[(place + this.#turn) % this.#blocks.length]!;
      for (const thread of threads) runOn(thread, block);
    }
    this.#turn += 1;
  }
}

/**
 * @returns for each worker cores of its own, as many for all; nothing to take turns at (empty) where there are too few
 *   cores for that, or one worker
 */
export function coreBlocks(
  cores: readonly number[],
  workers: number,
  threads: number,
): readonly (readonly number[])[] {
  const size = Math.floor(cores.length / workers);
  if (workers < 2 || size < threads) return [];
  return Array.from({ length: workers }, (_, i) => cores.slice(i * size, (i + 1) * size));
}

/** All that this process may use, if they share their last cache: what a worker has in one is lost on others. */
function coresForTurns(): readonly number[] {
  const cores = allowedCores();
  const neighbours = new Set(cores.length > 0 ? cacheNeighbours(cores[0]!) : []);
  return cores.every((core) => neighbours.has(core)) ? cores : [];
}

function computeThreads(pid: number | undefined): readonly number[] {
  if (pid === undefined) return [];
  try {
    return readdirSync(`/proc/${pid}/task`)
      .filter((thread) => readFileSync(`/proc/${pid}/task/${thread}/comm`, 'utf8').trim() === computeThread)
      .map(Number);
  } catch {
    // It ends just now.
    return [];
  }
}
