// Steps in turn: one at a time, in an order that rotates, and a contestant that fails stops nobody else.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Contestant } from './contestants.mjs';
import { runRounds } from './rounds.mjs';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lockstep-turns-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** A program that writes its name into a file when a step begins and again when it ends, and fails at `failsAt`. */
const program = (name: string, failsAt = -1) => `
  const { appendFileSync } = require('node:fs');
  const { createInterface } = require('node:readline');
  const say = (value) => process.stdout.write(JSON.stringify(value) + '\\n');
  let step = 0;
  say({ ready: true });
  createInterface({ input: process.stdin })
    .on('line', () => {
      if (step === ${failsAt}) { console.error('out of luck'); process.exit(3); }
      appendFileSync(process.argv[1], '${name}');
      step += 1;
      setTimeout(() => {
        appendFileSync(process.argv[1], '${name}');
        say({ ms: step, imagesPerSec: 10 * step });
      }, 5);
    })
    .on('close', () => say({ peak: 7, start: 9 }));`;

const contestant = (name: string, failsAt?: number): Contestant => ({
  id: name,
  name: name.toUpperCase(),
  program: 'node',
  args: ['-e', program(name, failsAt), '--', join(folder, 'order')],
  turns: 'group',
  read: (report) => {
    const { peak, start } = report as { peak: number; start: number };
    return { ms: 1000, peakRssBytes: peak, startToFirstStepMs: start };
  },
});

const run = (chosen: readonly Contestant[], rounds: number, steps: number) =>
  runRounds(chosen, {
    root: folder,
    rounds,
    steps,
    timeoutMs: 20_000,
    signal: new AbortController().signal,
    log: () => {},
  });

it('lets them step one after the other, and counts memory and start once a process', async () => {
  const { runs } = await run([contestant('a'), contestant('b'), contestant('c')], 2, 2);
  expect(await readFile(join(folder, 'order'), 'utf8')).toBe('aabbccbbccaabbccaaccaabb');
  const first = { ms: 1, imagesPerSec: 10, peakRssBytes: 7, startToFirstStepMs: 9 };
  const second = { ms: 2, imagesPerSec: 20 };
  expect(runs.b?.rounds).toEqual([first, second, first, second]);
});

it('goes on without one that fails, whose steps count as failed from there on', async () => {
  const { runs } = await run([contestant('a', 1), contestant('b')], 1, 3);
  expect(runs.a?.rounds).toEqual([{ ms: 1, imagesPerSec: 10 }, null, null]);
  expect(runs.a?.failures).toEqual([expect.stringMatching(/^round 1: ended with 3 .*\nout of luck$/)]);
  expect(runs.b?.rounds.map((figures) => figures?.ms)).toEqual([1, 2, 3]);
});
