import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { exampleComparison } from '../../../test/example-comparison.js';
import { writeComparison } from './comparison.js';
import { divergedBefore } from './diverged.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lockstep-diverged-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const recorded = exampleComparison([0.8, 'diverged'], ['diverged', 'diverged']);
const remembered = async () => [...(await divergedBefore(folder)).keys()];

async function leave(run: string, file: string): Promise<void> {
  await mkdir(join(folder, run), { recursive: true });
  await writeFile(join(folder, run, file), '{}');
}

test('what has diverged is remembered, with all that was recorded of it', async () => {
  expect(await remembered()).toEqual([]);
  await writeComparison(folder, recorded);
  for (const { run } of recorded.runs) await leave(run, 'run.json');
  const before = await divergedBefore(folder);
  expect([...before.values()]).toEqual(recorded.runs.slice(1));
  expect([...before.keys()]).toEqual(['b/seed-1', 'a/seed-2', 'b/seed-2']);
});

test('but not where the folder is gone, or the run has ended since', async () => {
  await writeComparison(folder, recorded);
  for (const { run } of recorded.runs) if (run !== 'b/seed-1') await leave(run, 'run.json');
  expect(await remembered()).toEqual(['a/seed-2', 'b/seed-2']);
  await leave('a/seed-2', 'summary.json');
  expect(await remembered()).toEqual(['b/seed-2']);
});

test('a comparison.json that is none is an error', async () => {
  await writeFile(join(folder, 'comparison.json'), '{}');
  await expect(divergedBefore(folder)).rejects.toMatchObject({ code: 'RUN_FOLDER' });
});
