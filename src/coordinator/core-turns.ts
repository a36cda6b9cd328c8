/** Worker processes that compute on the cores of one host take turns at them. */
import type { KoffiFunc } from 'koffi';
import { nativeLibrary } from '../shared/native-library.js';
import { allowedCores, cacheNeighbours, threadsNamed } from './linux-cores.js';

/** Long against what the caches of a core take to be filled again, short against a step. */
const turnMs = 25;
/** Turns from one look for new processes to the next: they start their threads after some seconds. */
const turnsBetweenLooks = 40;
/** As TensorFlow names the threads that compute, and ours are named (kernels/team.h). */
const computeThread = 'tf_Compute';

type TurnCores = KoffiFunc<
  (
    threads: Int32Array,
    places: Int32Array,
    count: number,
    masks: Uint8Array,
    maskBytes: number,
    workers: number,
    first: number,
    turns: number,
    milliseconds: number,
    stop: Uint32Array,
  ) => void
>;

/**
 * Turns in a thread of libuv's pool: Node needs 0.4 ms for a timer while all cores compute, which would be 1 % of two cores.
 * @throws LockstepError ENGINE when it is not compiled
 */
function loadTurnCores(): TurnCores {
  return nativeLibrary(import.meta.url, 'The rotation of cores').func(
    `void lockstep_turn_cores(const int32_t *threads, const int32_t *places, size_t count, const uint8_t *masks,
      size_t maskBytes, size_t workers, uint32_t first, uint32_t turns, uint32_t milliseconds, const uint32_t *stop)`,
  ) as unknown as TurnCores;
}

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
  /** One after the other, a mask for each worker's cores. */
  readonly #masks: Uint8Array;
  /** That compute, of each process. */
  readonly #threads = new Map<number, readonly number[]>();
  /** Not 0 once they are to end; read by the thread that turns. */
  readonly #stop = new Uint32Array(1);
  #turn = 0;

  /** Begins at once, where there is something to take turns at: `coreBlocks`. It goes on, and keeps the process, until `end`. */
  constructor(
    private readonly options: CoreTurnOptions,
    cores: readonly number[] = options.workers > 1 ? coresForTurns() : [],
  ) {
    const blocks = coreBlocks(cores, options.workers, options.threads);
    this.#masks = coreMasks(blocks);
    if (blocks.length > 0) this.#goOn(loadTurnCores());
  }

  /** The turn that runs is the last. */
  end(): void {
    this.#stop[0] = 1;
  }

  /** Looks for new processes, then turns until the next look. */
  #goOn(turnCores: TurnCores): void {
    if (this.#stop[0] !== 0) return;
    const threads: number[] = [];
    const places: number[] = [];
    for (const [place, pid] of this.options.pids().entries()) {
      if (pid === undefined) continue;
      const found = this.#threadsOf(pid);
      threads.push(...found);
      places.push(...found.map(() => place));
    }
    turnCores.async(
      Int32Array.from(threads),
      Int32Array.from(places),
      threads.length,
      this.#masks,
      this.#masks.length / this.options.workers,
      this.options.workers,
      this.#turn,
      turnsBetweenLooks,
      turnMs,
      this.#stop,
      () => this.#goOn(turnCores),
    );
    this.#turn += turnsBetweenLooks;
  }

  #threadsOf(pid: number): readonly number[] {
    const known = this.#threads.get(pid);
    if (known !== undefined) return known;
    const found = threadsNamed(pid, computeThread);
    if (found.length < computingThreads(this.options.threads)) return [];
    this.#threads.set(pid, found);
    return found;
  }
}

/**
 * How many of a worker's threads have that name when all have been started: those of tfjs's eager context, our own
 * operations' helpers, and at last those of the session, which compute most.
 */
export function computingThreads(threads: number): number {
  const ofTensorFlow = Math.min(threads, 2);
  return ofTensorFlow + (threads - 1) + ofTensorFlow;
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

/** A mask for each block, one after the other, each of as many bytes: bit n is core n, in whole words of the kernel's. */
export function coreMasks(blocks: readonly (readonly number[])[]): Uint8Array {
  const bytes = 8 * (1 + (Math.max(0, ...blocks.flat()) >> 6));
  const masks = new Uint8Array(blocks.length * bytes);
  for (const [i, cores] of blocks.entries()) {
    for (const core of cores) masks[i * bytes + (core >> 3)]! |= 1 << (core & 7);
  }
  return masks;
}

/** All that this process may use, if they share their last cache: what a worker has in one is lost on others. */
function coresForTurns(): readonly number[] {
  const cores = allowedCores();
  const neighbours = new Set(cores.length > 0 ? cacheNeighbours(cores[0]!) : []);
  return cores.every((core) => neighbours.has(core)) ? cores : [];
}
