import { mkdtempSync, rmSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { collectStudy } from './collect.js';
import { describeMissing } from './missing.js';
import { failedPartFileAt, partFileAt, partsFolder } from './part.js';
import { readStudy, type Study } from './study.js';

let folder: string;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'lockstep-parts-'));
  await mkdir(partsFolder(folder));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const at = (second: number) => `2026-01-01T00:00:0${second}.000Z`;

/** The study of one run, as its job leaves it. */
function part(workers: number, repeat: number, second: number, more: Partial<Study> = {}): Study {
  return {
    ...{ format: 1, kind: 'scaling study', name: 'made up', mode: 'strong', workers: [1, 2], repeats: 2 },
    ...{ warmup: 1, steps: 1, startedAt: at(second), commandLine: [`${second}`], versions: {}, config: {} },
    machine: { host: `h${second}`, processor: 'p', cores: 8, gpus: 0, memoryGb: 1, kernel: 'k' },
    ...{ threads: 1, microBatchSize: 16, reducedBytes: 1e6, network: { bytesPerSecond: 1e7, delayMs: 1 } },
    ...more,
    runs: [
      {
        ...{ workers, repeat, microBatches: 4, globalBatch: 64, startedAt: at(second), seconds: 1 },
        hosts: Array.from({ length: workers }, () => `h${second}`),
        steps: [{ ms: 10, ranks: Array.from({ length: workers }, () => [1, 5, 2, 1] as const) }],
      } as Study['runs'][number],
    ],
  };
}

async function leave(study: Study): Promise<void> {
  const [run] = study.runs;
  await writeFile(partFileAt(folder, run!), JSON.stringify(study));
}

describe('parts of a study', () => {
  it('come to the study that ran in one go, in the order in which they ran', async () => {
    for (const [workers, repeat, second] of [
      [1, 0, 3],
      [2, 0, 1],
      [2, 1, 2],
      [1, 1, 4],
    ] as const) {
      await leave(part(workers, repeat, second));
    }
    const study = await collectStudy(folder);
    expect(study.runs.map(({ workers, repeat }) => [workers, repeat])).toEqual([
      [2, 0],
      [2, 1],
      [1, 0],
      [1, 1],
    ]);
    expect(study.missing).toEqual([]);
    expect([study.startedAt, study.machine.host]).toEqual([at(1), 'h1']);
    expect(await readStudy(folder)).toEqual(study);
  });

  it('that have no result are named, each with its reason', async () => {
    await leave(part(2, 0, 1));
    await writeFile(partFileAt(folder, { workers: 2, repeat: 1 }), '{"format":1}');
    await writeFile(
      failedPartFileAt(folder, { workers: 1, repeat: 0 }),
      JSON.stringify({
        ...{ format: 1, kind: 'failed part of a scaling study', workers: 1, repeat: 0, at: at(1) },
        why: 'Lost rank 0.',
      }),
    );
    const { missing = [], runs } = await collectStudy(folder);
    expect(runs).toHaveLength(1);
    expect(describeMissing(missing)).toEqual([
      'Missing: 1 worker, run 1: Lost rank 0.',
      'Missing: 1 worker, run 2: it has left nothing: its job has not ended, or was killed.',
      expect.stringMatching(/^Missing: 2 workers, run 2: .*2-2\.json can't be read/),
    ]);
    expect(describeMissing([1, 0].map((repeat) => ({ workers: 4, repeat, why: 'no.' })))).toEqual([
      'Missing: 4 workers, runs 1, 2: no.',
    ]);
  });

  it('of different studies are refused, and what differs is named', async () => {
    await leave(part(1, 0, 1));
    await leave(part(2, 0, 2, { steps: 9 }));
    await expect(collectStudy(folder)).rejects.toThrow(
      /1-1\.json and .*2-1\.json are of different studies: they differ in 'steps'/,
    );
    await rm(partFileAt(folder, { workers: 1, repeat: 0 }));
    await leave(part(1, 0, 1, { steps: 9, simulatedLink: { bytesPerSecond: 1, delayMs: 1 } }));
    await expect(collectStudy(folder)).rejects.toThrow("differ in 'simulatedLink'");
  });

  it('that all failed come to no study, but say why', async () => {
    await expect(collectStudy(folder)).rejects.toThrow(/^No part of the study in \S+ has a result\.$/);
    const failed = { format: 1, kind: 'failed part of a scaling study', workers: 1, repeat: 0, at: at(1) };
    await writeFile(
      failedPartFileAt(folder, { workers: 1, repeat: 0 }),
      JSON.stringify({ ...failed, why: 'No GPU.' }),
    );
    await expect(collectStudy(folder)).rejects.toThrow('has a result. No GPU.');
    await expect(readFile(join(folder, 'study.json'))).rejects.toThrow('ENOENT');
    await expect(collectStudy(join(folder, 'nowhere'))).rejects.toThrow('holds no parts of a study');
  });
});
