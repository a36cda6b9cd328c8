#!/usr/bin/env node
// Measures Lockstep and its peers side by side in one run, and says which of the promised ratios hold.
// @ts-check
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import yargs from 'yargs';
import { hideBin } from 'yargs/helpers';
import { checkCounts } from './compare/arguments.mjs';
import { contestantsOf, judge, SECTIONS } from './compare/claims.mjs';
import { contestants, missingProgram, PRECISIONS, peersPython } from './compare/contestants.mjs';
import { resultsMarkdown, withResults } from './compare/document.mjs';
import { commit, machine } from './compare/machine.mjs';
import { interruption } from './compare/process.mjs';
import { runRounds } from './compare/rounds.mjs';

/** @typedef {import('./compare/claims.mjs').SectionName} SectionName */
/** @typedef {import('./compare/contestants.mjs').Contestant} Contestant */
/** @typedef {import('./compare/document.mjs').SectionResult} SectionResult */

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const DOCUMENT = join(ROOT, 'docs', 'benchmarks.md');
const RESULTS = join(ROOT, 'bench', 'results.json');
const NAMES = /** @type {SectionName[]} */ (Object.keys(SECTIONS));
const BUSY = 0.05;
const MISSED = 1;
const FAILED = 2;

const argv = yargs(hideBin(process.argv))
  .scriptName('bench/compare.mjs')
  .usage(
    '$0 [options]\n\nExits with 1 when a target is missed, with 2 when the machine was busy, a run failed or a target is not measured.',
  )
  .option('sections', {
    type: 'string',
    array: true,
    choices: NAMES,
    default: NAMES,
    describe: 'What to measure',
  })
  .option('rounds', { type: 'number', default: 5, describe: 'How often every contestant runs' })
  .option('steps', { type: 'number', default: 8, describe: 'Timed steps of a run' })
  .option('warmup', { type: 'number', default: 3, describe: 'Steps before those' })
  .option('repeats', { type: 'number', default: 20, describe: 'Timed all-reduces of a run' })
  .option('precisions', {
    type: 'string',
    array: true,
    choices: PRECISIONS,
    default: PRECISIONS,
    describe: 'Of the steps; the targets of others count as not measured',
  })
  .option('only', {
    type: 'string',
    array: true,
    describe: 'Only contestants whose id begins so: ours, torch, tf… (not with --write)',
  })
  .option('timeout', { type: 'number', default: 300, describe: 'Seconds after which a run counts as failed' })
  .option('write', { type: 'boolean', default: false, describe: 'Put the results into docs/benchmarks.md' })
  .option('json', { type: 'boolean', default: false, describe: 'Print JSON instead of Markdown' })
  .check(({ rounds, steps, warmup, repeats, timeout, only, write }) => {
    if (write && only !== undefined)
      throw new Error('--only measures a part, which --write must not publish');
    checkCounts({ rounds, steps, repeats, timeout }, 1);
    checkCounts({ warmup }, 0);
    return true;
  })
  .example('$0 --sections step memory --rounds 3', 'one worker only, 3 rounds')
  .strict()
  .parseSync();

const log = (/** @type {string} */ text) => process.stderr.write(`${text}\n`);

/** @type {(names: readonly SectionName[]) => Contestant[]} */
function chosenContestants(names) {
  const ids = new Set(names.flatMap((name) => [...contestantsOf(name)]));
  const left = PRECISIONS.filter((precision) => !argv.precisions.includes(precision));
  return contestants(ROOT, argv).filter(
    ({ id }) =>
      ids.has(id) &&
      !left.some((precision) => id.endsWith(precision)) &&
      (argv.only === undefined || argv.only.some((prefix) => id.startsWith(prefix))),
  );
}

function peerVersions() {
  const code =
    'from importlib.metadata import version as v; import platform; ' +
    "print(f\"PyTorch {v('torch')}, TensorFlow {v('tensorflow-cpu')}, Python {platform.python_version()}\")";
  return execFileSync(peersPython(ROOT), ['-c', code], { encoding: 'utf8' }).trim();
}

async function main() {
  const names = NAMES.filter((name) => argv.sections.includes(name));
  const chosen = chosenContestants(names);
  if (chosen.length === 0) throw new Error('--only leaves no contestant in these sections');
  const missing = missingProgram(ROOT, chosen);
  if (missing !== undefined) throw new Error(missing);

  const date = new Date().toISOString().slice(0, 16).replace('T', ' ').concat(' UTC');
  const measuredCommit = commit(ROOT);
  log(`${chosen.length} contestants, ${argv.rounds} rounds`);
  const { runs, loads } = await runRounds(chosen, {
    root: ROOT,
    rounds: argv.rounds,
    steps: argv.steps,
    timeoutMs: argv.timeout * 1000,
    signal: interruption(),
    log,
  });
  const busy = loads.median > BUSY;
  if (busy) {
    const used = `Others used ${(loads.median * 100).toFixed(0)} % of the cores: such ratios mean nothing`;
    log(`${used}${argv.write ? ', and nothing was written' : ''}. Measure again on an idle machine.`);
  }

  const run = {
    date,
    commit: measuredCommit,
    machine: machine(),
    peers: chosen.some(({ program }) => program === 'python') ? peerVersions() : 'no peers',
    rounds: argv.rounds,
    steps: argv.steps,
    warmup: argv.warmup,
    repeats: argv.repeats,
    loadOfOthers: { median: loads.median, max: loads.max },
  };
  const rounds = Object.fromEntries(
    Object.entries(runs).map(([id, record]) => [id, record.rounds.map((figures) => figures ?? undefined)]),
  );
  /** @type {Partial<Record<SectionName, SectionResult>>} */
  const results = {};
  for (const name of names) {
    const ids = contestantsOf(name);
    results[name] = {
      run,
      judgements: SECTIONS[name].claims.map((claim) => judge(claim, rounds)),
      contestants: Object.fromEntries(Object.entries(runs).filter(([id]) => ids.has(id))),
    };
  }

  if (argv.write && !busy) {
    const earlier = existsSync(RESULTS) ? JSON.parse(readFileSync(RESULTS, 'utf8')) : {};
    const all = { ...earlier, ...results };
    writeFileSync(RESULTS, `${JSON.stringify(all, null, 2)}\n`);
    execFileSync('npx', ['biome', 'format', '--write', RESULTS], { cwd: ROOT, stdio: 'ignore' });
    writeFileSync(DOCUMENT, withResults(readFileSync(DOCUMENT, 'utf8'), resultsMarkdown(all, NAMES)));
  }
  process.stdout.write(
    argv.json ? `${JSON.stringify(results, null, 2)}\n` : `${resultsMarkdown(results, names)}\n`,
  );

  const verdicts = Object.values(results).flatMap(({ judgements }) =>
    judgements.map(({ verdict }) => verdict),
  );
  const failed = Object.values(runs).some(({ failures }) => failures.length > 0);
  if (failed || busy || verdicts.includes('not measured')) return FAILED;
  return verdicts.includes('missed') ? MISSED : 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  log(`bench/compare.mjs: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = FAILED;
}
