#!/usr/bin/env node
// How long a run stands still when it loses a worker: from the signal to the next committed step.
// @ts-check
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import yargs from 'yargs';
import { hideBin } from 'yargs/helpers';
import { checkCounts } from './compare/arguments.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const argv = yargs(hideBin(process.argv))
  .scriptName('bench/recovery.mjs')
  .usage(
    '$0 [config]\n\nPrints JSON: of each signal the times in seconds, their median and their maximum. SIGSTOP is noticed by silence only, so its time has `deadlines.heartbeatSeconds` (default 5) in it.',
  )
  .option('rounds', { type: 'number', default: 10, describe: 'Workers that are lost, by each signal' })
  .option('workers', { type: 'number', default: 3, describe: 'Workers of each run' })
  .example('$0 --rounds 6', 'the demo')
  .demandCommand(0, 1)
  .check(({ rounds, workers }) => {
    checkCounts({ rounds }, 1);
    checkCounts({ workers }, 2);
    return true;
  })
  .strictOptions()
  .parseSync();
const config = `${argv._[0] ?? join(root, 'configs', 'demo-traditional.yaml')}`;

/**
 * A run with local workers, one of which gets the signal; the time to the next step that is committed, in seconds.
 * @param {NodeJS.Signals} signal
 * @param {number} round
 */
async function interrupted(signal, round) {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-recovery-'));
  const out = join(folder, 'run');
  const run = spawn(
    process.execPath,
    [join(root, 'dist', 'cli', 'main.js'), 'train', config, '--workers', `${argv.workers}`, '--out', out],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  );
  try {
    const metrics = join(out, 'metrics.jsonl');
    const steps = () =>
      existsSync(metrics) ? readFileSync(metrics, 'utf8').split('"type":"step"').length - 1 : 0;
    const until = async (/** @type {number} */ count) => {
      while (steps() < count) {
        if (run.exitCode !== null) throw new Error(`The run ended early, after ${steps()} steps.`);
        await sleep(1);
      }
    };
    await until(10 + 3 * round);
    const log = readFileSync(join(out, 'logs', 'coordinator.log'), 'utf8');
    const pids = [...log.matchAll(/registered: .* pid (\d+)/g)].map(([, pid]) => Number(pid));
    await sleep(Math.random() * 50);
    process.kill(/** @type {number} */ (pids[round % pids.length]), signal);
    const began = performance.now();
    // What the others had agreed on already is no recovery: the generation is written before its first step.
    while (!readFileSync(metrics, 'utf8').includes('"type":"generation"')) {
      if (run.exitCode !== null) throw new Error('The run ended before it noticed.');
      await sleep(1);
    }
    const text = readFileSync(metrics, 'utf8');
    await until(text.slice(0, text.indexOf('"type":"generation"')).split('"type":"step"').length);
    return (performance.now() - began) / 1000;
  } finally {
    const ended = new Promise((resolve) => run.once('exit', resolve));
    run.kill('SIGTERM');
    if (run.exitCode === null) await ended;
    rmSync(folder, { recursive: true, force: true });
  }
}

const round3 = (/** @type {number} */ value) => Math.round(value * 1000) / 1000;
/** @type {Record<string, { seconds: number[], median: number, max: number }>} */
const result = {};
for (const signal of /** @type {const} */ (['SIGKILL', 'SIGSTOP'])) {
  const seconds = [];
  for (let round = 0; round < argv.rounds; round += 1) seconds.push(await interrupted(signal, round));
  const sorted = [...seconds].sort((a, b) => a - b);
  result[signal] = {
    seconds: seconds.map(round3),
    median: round3(sorted[sorted.length >> 1] ?? 0),
    max: round3(sorted.at(-1) ?? 0),
  };
}
process.stdout.write(`${JSON.stringify({ config, workers: argv.workers, ...result }, null, 2)}\n`);
