import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { EvalEvent } from '../metrics.js';
import { createRunFolder, resumeRunFolder } from '../run-folder.js';
import { EventFile } from './event-file.js';
import { eventsFolder, RunEvents } from './run-events.js';

let folder: string;
let warnings: string[];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lockstep-events-'));
  warnings = [];
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const start = {
  startedAt: '2026-11-24T10:00:00.000Z',
  commandLine: ['train'],
  topology: { workers: 2 },
  versions: { lockstep: '0.1.0' },
};
const begunRun = () =>
  createRunFolder(join(folder, 'run'), {
    name: 'demo',
    config: { seed: 1 },
    configDigest: 'c',
    seed: 1,
    ...start,
  });
const evaluation = (step: number): EvalEvent => ({
  type: 'eval',
  stage: 's',
  epoch: 1,
  step,
  loss: 1,
  accuracy: 0.5,
});

/** Lengths that precede payloads lead from record to record. */
function payloadsOf(file: Buffer): string[] {
  const payloads: string[] = [];
  for (let at = 0; at < file.length; ) {
    const length = Number(file.readBigUInt64LE(at));
    payloads.push(file.toString('latin1', at + 12, at + 12 + length));
    at += length + 16;
  }
  return payloads;
}

async function filesOf(path: string): Promise<string[][]> {
  const names = (await readdir(path)).sort();
  return await Promise.all(names.map(async (name) => payloadsOf(await readFile(join(path, name)))));
}

describe("a run's events", () => {
  it('begin with what made the run; those of a resumed one void what it does again', async () => {
    const { path } = await begunRun();
    const first = await RunEvents.begin(path, [], (line) => warnings.push(line));
    first.append(evaluation(5));
    first.append(evaluation(400));
    first.close();
    await resumeRunFolder(path, { configDigest: 'c', datasetDigest: undefined }, start, 299);
    const second = await RunEvents.begin(path, [evaluation(5)], (line) => warnings.push(line));
    second.append(evaluation(300));
    second.close();
    const [before, after] = await filesOf(eventsFolder(path));
    expect(before!.map((payload) => /brain|run\/config|eval\/loss/.exec(payload)?.[0])).toEqual([
      'brain',
      'run/config',
      'eval/loss',
      'eval/loss',
    ]);
    expect(after).toHaveLength(3);
    // Step 300 as a varint, and a session log that says START.
    expect(after![1]!.endsWith('\x10\xac\x02\x3a\x02\x08\x01')).toBe(true);
    expect(after![2]).toContain('eval/loss');
    expect(warnings).toEqual([]);
  });

  it('tell everything anew when their files are gone', async () => {
    const { path } = await begunRun();
    const events = await RunEvents.begin(path, [evaluation(5), evaluation(9)], () => {});
    events.append(evaluation(10));
    events.close();
    expect((await filesOf(eventsFolder(path)))[0]).toHaveLength(2 + 3);
  });

  it('never end the run: what can not be written is a warning, once', async () => {
    const { path } = await begunRun();
    await writeFile(eventsFolder(path), 'a file where the folder belongs');
    const events = await RunEvents.begin(path, [evaluation(5)], (line) => warnings.push(line));
    events.append(evaluation(10));
    events.close();
    expect(warnings).toEqual([
      expect.stringMatching(/^TensorBoard's events are incomplete: .*lockstep tensorboard/),
    ]);
  });
});

it('an event file is read after those that are there, whatever the clock says', async () => {
  await mkdir(join(folder, 'x'));
  await writeFile(join(folder, 'x', 'events.out.tfevents.2000000000.elsewhere.1.0'), '');
  await writeFile(join(folder, 'x', 'projector_config.pbtxt'), '');
  for (const second of [1_700_000_000, 1_700_000_000]) EventFile.begin(join(folder, 'x'), second).close();
  const seconds = (await readdir(join(folder, 'x'))).sort().map((name) => name.split('.')[3]);
  expect(seconds).toEqual(['2000000000', '2000000001', '2000000002', undefined]);
});
