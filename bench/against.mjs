#!/usr/bin/env node
// Measures the step of this checkout against that of another one: what a change is worth, in steps taken in turn.
// @ts-check
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import yargs from 'yargs';
import { hideBin } from 'yargs/helpers';
import { checkCounts } from './compare/arguments.mjs';
import { readStep } from './compare/contestants.mjs';
import { commit } from './compare/machine.mjs';
import { interruption } from './compare/process.mjs';
import { runRounds } from './compare/rounds.mjs';
import { ratiosByRound, summary } from './compare/statistics.mjs';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const PROGRAM = join('dist', 'cli', 'main.js');

const argv = yargs(hideBin(process.argv))
  .scriptName('bench/against.mjs')
  .command('$0 <checkout> [options] [-- options of `lockstep bench step`]', false, (command) =>
    command.positional('checkout', {
      type: 'string',
      demandOption: true,
      describe: 'Another checkout; both must be built (npm run setup)',
    }),
  )
  .option('rounds', { type: 'number', default: 3, describe: 'How often both start' })
  .option('steps', { type: 'number', default: 10, describe: 'Timed steps of each' })
  .option('warmup', { type: 'number', default: 3, describe: 'Steps before those' })
  .option('timeout', {
    type: 'number',
    default: 300,
    describe: 'Seconds after which a step counts as failed',
  })
  .example('$0 ../before -- --encoder airbench --batch 256', 'a small network')
  .parserConfiguration({ 'populate--': true })
  .check(({ rounds, steps, warmup, timeout }) => {
    checkCounts({ rounds, steps, timeout }, 1);
    checkCounts({ warmup }, 0);
    return true;
  })
  .strict()
  .parseSync();

const log = (/** @type {string} */ text) => process.stderr.write(`${text}\n`);

async function main() {
  const other = resolve(`${argv.checkout}`);
  if (other === ROOT) throw new Error(`${other} is this checkout itself: name another one`);
  const contestants = [other, ROOT].map((root) => {
    const program = join(root, PROGRAM);
    if (!existsSync(program))
      throw new Error(`${program} is missing: run \`npm run setup\` in ${root} first`);
    const length = ['--steps', `${argv.steps}`, '--warmup', `${argv.warmup}`];
    /** @type {import('./compare/contestants.mjs').Contestant} */
    const contestant = {
      id: root === ROOT ? 'here' : 'there',
      name: `${root} at ${commit(root)}`,
      program: 'node',
      args: [program, 'bench', 'step', '--json', ...length, .../** @type {string[]} */ (argv['--'] ?? [])],
      turns: 'step',
      read: readStep,
    };
    return contestant;
  });
  const { runs, loads } = await runRounds(contestants, {
    root: ROOT,
    rounds: argv.rounds,
    steps: argv.steps,
    timeoutMs: argv.timeout * 1000,
    signal: interruption(),
    log,
  });
  const rates = (/** @type {string} */ id) => runs[id]?.rounds.map((figures) => figures?.imagesPerSec) ?? [];
  const ratios = ratiosByRound(rates('here'), rates('there'));
  if (ratios.length === 0) throw new Error('no step of both was measured: see above what failed');
  const report = {
    loadOfOthers: loads,
    ...Object.fromEntries(
      Object.entries(runs).map(([id, { name, rounds }]) => {
        const done = rounds.filter((figures) => figures !== null);
        return [id, { name, imagesPerSec: summary(done.map(({ imagesPerSec = 0 }) => imagesPerSec)) }];
      }),
    ),
    ratio: { steps: ratios.length, ...summary(ratios) },
  };
  process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
}

try {
  await main();
  process.exit(0);
} catch (error) {
  log(`bench/against.mjs: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
}
