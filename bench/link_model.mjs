#!/usr/bin/env node
// Checks the forecasts' model of the all-reduce against measurement on simulated links, and writes docs/scaling.md's table.
// @ts-check
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import yargs from 'yargs';
import { hideBin } from 'yargs/helpers';
import { commit, loadOfOthers, machine } from './compare/machine.mjs';

/**
 * @typedef {object} LinkCase
 * @property {string} link
 * @property {{ latencyMs: number, bytesPerSecond: number }} model
 * @property {number} workers
 * @property {number} sizeMb
 * @property {number} buckets
 * @property {number} predictedMs
 * @property {{ median: number, min: number, max: number }} measuredMs
 * @property {number} off
 * @property {number} withoutLinkMs
 */

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const DOCUMENT = join(ROOT, 'docs', 'scaling.md');
const BEGIN = '<!-- links:begin (written by bench/link_model.mjs --write) -->';
const END = '<!-- links:end -->';
const TOLERANCE = 0.15;
const TOO_FAR = ' **(too far)**';
/** Where the machine needs more than this of the predicted time without any link, it is the bottleneck. */
const OWN = 0.1;
/** More than this of the cores in use by others, and a case waits. */
const BUSY = 0.1;

/** Rates that are to each other as 1, 10 and 25 Gb/s, as fast as two cores follow; and a link where latency counts. */
const GROUPS = [
  { links: '20mbit,1ms', workers: '2,4,8', sizeMb: 1.5 },
  { links: '200mbit,1ms 500mbit,1ms', workers: '2,4,8', sizeMb: 6 },
  { links: '200mbit,20ms', workers: '2,4', sizeMb: 6 },
  { links: '200mbit,20ms', workers: '2,4', sizeMb: 0.1 },
];

/** Others leave the machine mostly alone, or don't for as long as we are patient: what they then used of it. */
async function quiet() {
  const until = performance.now() + argv.patience * 1000;
  for (;;) {
    const load = await loadOfOthers(1000);
    if (load < BUSY || performance.now() > until) return load;
  }
}

const argv = yargs(hideBin(process.argv))
  .scriptName('bench/link_model.mjs')
  .usage('$0 [options]\n\nExits with 1 when a prediction is more than 15 % off.')
  .option('repeats', { type: 'number', default: 5, describe: 'Measured all-reduces of a case' })
  .option('patience', {
    type: 'number',
    default: 60,
    describe: 'Seconds to wait for a quiet machine, a case',
  })
  .option('write', { type: 'boolean', default: false, describe: 'Write the table into docs/scaling.md' })
  .strict()
  .parseSync();

const began = new Date().toISOString();
/** @type {(LinkCase & { load: number })[]} */
const cases = [];
for (const { links, workers, sizeMb } of GROUPS) {
  for (const link of links.split(' ')) {
    for (const count of workers.split(',')) {
      const load = await quiet();
      const options = { '--links': link, '--workers': count, '--size-mb': sizeMb, '--repeats': argv.repeats };
      const args = Object.entries(options).flatMap(([name, value]) => [name, String(value)]);
      const output = execFileSync(
        process.execPath,
        [join(ROOT, 'dist', 'cli', 'main.js'), 'bench', 'links', ...args, '--json'],
        { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
      );
      for (const found of JSON.parse(output).cases) {
        cases.push({ ...found, load });
        process.stderr.write(`${link}, ${sizeMb} MB, ${count} workers: ${(100 * found.off).toFixed(1)} %\n`);
      }
    }
  }
}

const columns = [
  ...['link', 'α, ms', 'β, Mb/s', 'workers', 'MB (buckets)', 'predicted, ms', 'measured, ms (min–max)'],
  ...['prediction off by', 'without link, ms', 'others, %'],
];
const rows = cases.map(
  ({ link, model, workers, sizeMb, buckets, predictedMs, measuredMs, off, withoutLinkMs, load }) => [
    link.replace('mbit,', ' Mb/s, ').replace(/ms$/, ' ms'),
    model.latencyMs.toFixed(2),
    ((model.bytesPerSecond * 8) / 1e6).toFixed(1),
    `${workers}`,
    `${sizeMb} (${buckets})`,
    predictedMs.toFixed(1),
    `${measuredMs.median.toFixed(1)} (${measuredMs.min.toFixed(1)}–${measuredMs.max.toFixed(1)})`,
    `${(100 * off).toFixed(1)} %${verdict({ off, withoutLinkMs, predictedMs })}`,
    withoutLinkMs.toFixed(1),
    (100 * load).toFixed(0),
  ],
);
const { cpu, cores, kernel, node } = machine();
const markdown = [
  `${began.slice(0, 16).replace('T', ' ')} UTC, commit ${commit(ROOT)}; medians of ${argv.repeats} all-reduces after 5. ${cpu}, ${cores} cores, Linux ${kernel}, Node ${node}. *Others*: what they used of the cores just before a case; *cores*: without any link this machine takes more than a tenth of the predicted time, so it is the bottleneck.`,
  '',
  `| ${columns.join(' | ')} |`,
  `| --- |${' --: |'.repeat(columns.length - 1)}`,
  ...rows.map((row) => `| ${row.join(' | ')} |`),
].join('\n');
process.stdout.write(`${markdown}\n`);
if (argv.write) {
  const text = readFileSync(DOCUMENT, 'utf8');
  const [from, to] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (from < 0 || to < from) throw new Error(`${DOCUMENT} has no place for the table`);
  writeFileSync(DOCUMENT, `${text.slice(0, from + BEGIN.length)}\n\n${markdown}\n\n${text.slice(to)}`);
}
process.exitCode = cases.some((found) => verdict(found) === TOO_FAR) ? 1 : 0;

/** @param {Pick<LinkCase, 'off' | 'withoutLinkMs' | 'predictedMs'>} found */
function verdict({ off, withoutLinkMs, predictedMs }) {
  if (Math.abs(off) <= TOLERANCE) return '';
  return withoutLinkMs > OWN * predictedMs ? ' (cores)' : TOO_FAR;
}
