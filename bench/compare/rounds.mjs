// The rounds: every contestant runs once in each, so that all of them meet the same state of the machine.
// @ts-check
import { peersPython } from './contestants.mjs';
import { loadOfOthers } from './machine.mjs';
import { runForJson } from './process.mjs';
import { summary } from './statistics.mjs';

/** @typedef {import('./contestants.mjs').Contestant} Contestant */
/** @typedef {import('./contestants.mjs').Figures} Figures */
/**
 * What a contestant did: one entry a round, null where the run failed.
 * @typedef {{ name: string, rounds: (Figures | null)[], failures: string[] }} Runs
 */

const WATCH_LOAD_MS = 500;

/**
 * Runs A B C, then B C A, then C A B: none is always behind the same one.
 * @param {readonly Contestant[]} chosen
 * @param {{ root: string, rounds: number, timeoutMs: number, signal: AbortSignal, log: (text: string) => void }} options
 * @returns {Promise<{ runs: Record<string, Runs>, loads: import('./statistics.mjs').Summary }>} and the load by others just before the runs; rejects only when aborted
 */
export async function runRounds(chosen, { root, rounds, timeoutMs, signal, log }) {
  /** @type {Record<string, Runs>} */
  const runs = {};
  const loads = [];
  for (const { id, name } of chosen) runs[id] = { name, rounds: [], failures: [] };
  for (let round = 0; round < rounds; round++) {
    const first = round % chosen.length;
    for (const contestant of [...chosen.slice(first), ...chosen.slice(0, first)]) {
      loads.push(await loadOfOthers(WATCH_LOAD_MS));
      signal.throwIfAborted();
      const own = /** @type {Runs} */ (runs[contestant.id]);
      const program = contestant.program === 'node' ? process.execPath : peersPython(root);
      const label = `round ${round + 1}/${rounds}  ${contestant.id}`;
      try {
        const report = await runForJson(program, contestant.args, { cwd: root, timeoutMs, signal });
        const figures = contestant.read(report);
        own.rounds.push(figures);
        const speed =
          figures.imagesPerSec === undefined ? '' : `, ${figures.imagesPerSec.toFixed(1)} images/s`;
        log(`${label}: ${figures.ms.toFixed(1)} ms${speed}`);
      } catch (error) {
        signal.throwIfAborted();
        const reason = error instanceof Error ? error.message : String(error);
        own.rounds.push(null);
        own.failures.push(`round ${round + 1}: ${reason}`);
        log(`${label} FAILED: ${reason}`);
      }
    }
  }
  return { runs, loads: summary(loads) };
}
