// The rounds: every contestant runs once in each, so that all of them meet the same state of the machine.
// @ts-check
import { setTimeout as pause } from 'node:timers/promises';
import { peersPython, readTurn } from './contestants.mjs';
import { loadOfOthers } from './machine.mjs';
import { Program, runForJson } from './process.mjs';
import { summary } from './statistics.mjs';

/** @typedef {import('./contestants.mjs').Contestant} Contestant */
/** @typedef {import('./contestants.mjs').Figures} Figures */
/**
 * What a contestant did: one entry a round, or one a step where contestants step in turn; null where it failed.
 * @typedef {{ name: string, rounds: (Figures | null)[], failures: string[] }} Runs
 */
/** @typedef {{ root: string, rounds: number, steps: number, timeoutMs: number, signal: AbortSignal, log: (text: string) => void }} Options */

const WATCH_LOAD_MS = 500;
/** OpenMP's threads spin for some milliseconds after a step; the next contestant must not pay for it. */
const SPIN_MS = 20;

/**
 * Runs A B C, then B C A, then C A B: none is always behind the same one. Contestants with the same `turns` run at
 * the same time and step in turn.
 * @param {readonly Contestant[]} chosen
 * @param {Options} options
 * @returns {Promise<{ runs: Record<string, Runs>, loads: import('./statistics.mjs').Summary }>} and the load by others just before the runs; rejects only when aborted
 */
export async function runRounds(chosen, options) {
  /** @type {Record<string, Runs>} */
  const runs = {};
  const loads = [];
  for (const { id, name } of chosen) runs[id] = { name, rounds: [], failures: [] };
  const groups = groupsOf(chosen);
  for (let round = 0; round < options.rounds; round++) {
    for (const group of rotated(groups, round)) {
      loads.push(await loadOfOthers(WATCH_LOAD_MS));
      options.signal.throwIfAborted();
      const label = `round ${round + 1}/${options.rounds}`;
      const failed = (/** @type {Contestant} */ { id }, /** @type {unknown} */ error) => {
        options.signal.throwIfAborted();
        const reason = error instanceof Error ? error.message : String(error);
        /** @type {Runs} */ (runs[id]).failures.push(`round ${round + 1}: ${reason}`);
        options.log(`${label}  ${id} FAILED: ${reason}`);
      };
      const inTurn = group[0]?.turns !== undefined;
      const figures = await (inTurn ? runInTurn : runAlone)(rotated(group, round), options, failed);
      for (const { id } of group) {
        const own = figures.get(id) ?? [];
        /** @type {Runs} */ (runs[id]).rounds.push(...own);
        const done = own.filter((figure) => figure !== null);
        if (done.length > 0)
          options.log(`${label}  ${id}: ${summary(done.map(({ ms }) => ms)).median.toFixed(1)} ms`);
      }
    }
  }
  return { runs, loads: summary(loads) };
}

/** @typedef {(group: readonly Contestant[], options: Options, failed: (contestant: Contestant, error: unknown) => void) => Promise<Map<string, (Figures | null)[]>>} Run by contestant */

/** @type {Run} */
async function runAlone(group, options, failed) {
  const figures = new Map();
  for (const contestant of group) {
    try {
      const report = await runForJson(programOf(contestant, options), contestant.args, at(options));
      figures.set(contestant.id, [contestant.read(report)]);
    } catch (error) {
      failed(contestant, error);
      figures.set(contestant.id, [null]);
    }
  }
  return figures;
}

/**
 * Starts all, one after the other, and then lets them step A B C, B C A, C A B: neighbours in time share the state of
 * a machine whose speed moves within seconds.
 * @type {Run}
 */
async function runInTurn(group, options, failed) {
  /** @type {Map<string, (Figures | null)[]>} */
  const figures = new Map();
  /** @type {Map<Contestant, Program>} */
  const running = new Map();
  const attempt = async (/** @type {Contestant} */ contestant, /** @type {() => Promise<void>} */ work) => {
    try {
      await work();
    } catch (error) {
      running.get(contestant)?.end();
      running.delete(contestant);
      failed(contestant, error);
    }
  };
  try {
    for (const contestant of group) {
      figures.set(contestant.id, Array(options.steps).fill(null));
      const program = new Program(
        programOf(contestant, options),
        [...contestant.args, '--turns'],
        at(options),
      );
      running.set(contestant, program);
      await attempt(contestant, async () => {
        await program.line();
      });
    }
    for (let step = 0; step < options.steps; step++) {
      for (const contestant of rotated(group, step)) {
        const program = running.get(contestant);
        if (program === undefined) continue;
        await pause(SPIN_MS);
        await attempt(contestant, async () => {
          program.say('step');
          /** @type {(Figures | null)[]} */ (figures.get(contestant.id))[step] = readTurn(
            await program.line(),
          );
        });
      }
    }
    for (const [contestant, program] of running) {
      await attempt(contestant, async () => {
        const report = contestant.read(await program.rest());
        const own = /** @type {Figures[]} */ (figures.get(contestant.id));
        // Once a process, not once a step.
        own[0] = { ...report, ...own[0] };
      });
    }
    return figures;
  } finally {
    for (const program of running.values()) program.end();
  }
}

/** @param {readonly Contestant[]} chosen */
function groupsOf(chosen) {
  /** @type {Map<string, Contestant[]>} */
  const groups = new Map();
  for (const contestant of chosen) {
    const name = contestant.turns ?? contestant.id;
    groups.set(name, [...(groups.get(name) ?? []), contestant]);
  }
  return [...groups.values()];
}

/** @type {(contestant: Contestant, options: Options) => string} */
const programOf = ({ program }, { root }) => (program === 'node' ? process.execPath : peersPython(root));

/** @type {(options: Options) => { cwd: string, timeoutMs: number, signal: AbortSignal }} */
const at = ({ root, timeoutMs, signal }) => ({ cwd: root, timeoutMs, signal });

/**
 * @template T
 * @param {readonly T[]} values
 * @param {number} by
 */
function rotated(values, by) {
  const first = by % values.length;
  return [...values.slice(first), ...values.slice(0, first)];
}
