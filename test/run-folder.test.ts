/** What a run leaves on the disk, and that no run writes over another. */
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openLog } from '../src/coordinator/log.js';
import { MetricsWriter, readMetrics } from '../src/coordinator/metrics.js';
import {
  createRunFolder,
  defaultRunName,
  readRun,
  resumeRunFolder,
  runFolderAt,
} from '../src/coordinator/run-folder.js';
import { readSummary, type Summary, writeSummary } from '../src/coordinator/summary.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lockstep-run-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

const start = {
  startedAt: '2026-11-24T10:00:00.000Z',
  commandLine: ['lockstep', 'train', 'configs/demo.yaml'],
  topology: { workers: 2, hosts: ['a'] },
  versions: { lockstep: '0.1.0', node: '20.20.2' },
};
const run = {
  ...{ name: 'demo', config: { seed: 1 }, configDigest: 'c0ffee', datasetDigest: 'da7a', seed: 1 },
  ...start,
};

describe('a run folder', () => {
  it('says what made it', async () => {
    const made = await createRunFolder(join(folder, 'deep', 'x'), run);
    expect(await readRun(made.path)).toEqual({ format: 1, ...run, resumed: [] });
    expect(made).toEqual(runFolderAt(join(folder, 'deep', 'x')));
    expect((await readdir(made.path)).sort()).toEqual(['logs', 'run.json']);
  });

  it('gets a name under runs/ when none is given, another one in the same second', async () => {
    const before = process.cwd();
    process.chdir(folder);
    try {
      const name = defaultRunName('demo', new Date(run.startedAt));
      expect(name).toMatch(/^demo-202611\d\d-\d\d0000$/);
      expect((await createRunFolder(undefined, run)).path).toBe(`runs/${name}`);
      expect((await createRunFolder(undefined, run)).path).toBe(`runs/${name}-2`);
    } finally {
      process.chdir(before);
    }
  });

  it('is never written over', async () => {
    await createRunFolder(folder, run);
    await expect(createRunFolder(folder, run)).rejects.toMatchObject({
      code: 'RUN_FOLDER',
      line: expect.stringMatching(/holds another run already\. Add --resume/),
    });
    const other = join(folder, 'other');
    await mkdir(other);
    await writeFile(join(other, 'thesis.tex'), '');
    await expect(createRunFolder(other, run)).rejects.toThrow(`${other} is not empty: it holds thesis.tex`);
    await expect(createRunFolder(join(other, 'thesis.tex'), run)).rejects.toMatchObject({
      code: 'RUN_FOLDER',
    });
  });

  it('goes to one of two runs that start in it at once', async () => {
    const outcomes = await Promise.allSettled([createRunFolder(folder, run), createRunFolder(folder, run)]);
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(outcomes.find(({ status }) => status === 'rejected')).toMatchObject({
      reason: { code: 'RUN_FOLDER' },
    });
  });

  it('begins where a start was killed before it had written run.json, and where the disk was full', async () => {
    await writeFile(join(folder, '.run.json.0815.partial'), '{"format":');
    await createRunFolder(folder, run);
    expect(await readRun(folder)).toMatchObject(run);
  });

  it('is taken up by a resumed run of the same configuration and data only', async () => {
    const made = await createRunFolder(join(folder, 'x'), run);
    const metrics = new MetricsWriter(made.metrics);
    for (const step of [1, 2, 3]) {
      metrics.append({ type: 'eval', stage: 's', epoch: 1, step, loss: 1, accuracy: 0.5 });
    }
    metrics.close();
    const origin = { configDigest: 'c0ffee', datasetDigest: 'da7a' };
    await expect(resumeRunFolder(made.path, { ...origin, configDigest: 'beef' }, start, 2)).rejects.toThrow(
      'run of another configuration (c0ffee, not beef)',
    );
    await expect(resumeRunFolder(made.path, { ...origin, datasetDigest: 'da7a2' }, start, 2)).rejects.toThrow(
      'begun with other images than its dataset has now (da7a, not da7a2)',
    );
    expect((await readRun(made.path)).resumed).toEqual([]);
    expect(await resumeRunFolder(made.path, origin, start, 2)).toEqual(made);
    expect((await readRun(made.path)).resumed).toEqual([{ ...start, fromStep: 2 }]);
    expect((await readMetrics(made.metrics)).map(({ step }) => step)).toEqual([1, 2]);
    await expect(resumeRunFolder(folder, origin, start, 2)).rejects.toThrow('no run folder');
    await writeFile(join(made.path, 'run.json'), '{"format":');
    await expect(readRun(made.path)).rejects.toThrow('damaged');
  });
});

describe('a summary', () => {
  const summary: Summary = {
    stages: [{ name: 'pretrain', objective: 'npairs', epochs: 2, loss: 3.5, accuracy: null }],
    accuracy: null,
    seconds: 12.5,
    weightsDigest: 'abc',
  };

  it('is written whole or not at all', async () => {
    const path = join(folder, 'summary.json');
    await expect(readSummary(path)).rejects.toMatchObject({ code: 'RUN_FOLDER' });
    await writeSummary(path, summary);
    expect(await readSummary(path)).toEqual(summary);
    expect(await readdir(folder)).toEqual(['summary.json']);
    // Its place can't be taken by a file: the write must fail and leave nothing beside it.
    await mkdir(join(folder, 'taken'));
    await writeFile(join(folder, 'taken', 'x'), '');
    await expect(writeSummary(join(folder, 'taken'), summary)).rejects.toThrow();
    expect((await readdir(folder)).sort()).toEqual(['summary.json', 'taken']);
  });
});

describe('a log', () => {
  it('is JSON lines, one file a name, appended to by a later start', async () => {
    for (const words of ['first', 'second']) {
      const log = openLog(folder, 'worker-3');
      log.info({ step: 7 }, words);
      log.close();
    }
    const lines = (await readFile(join(folder, 'logs', 'worker-3.log'), 'utf8')).trim().split('\n');
    expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
      { level: 30, name: 'worker-3', step: 7, msg: 'first' },
      { msg: 'second' },
    ]);
  });

  it('loses nothing however the process ends: a line is in the file when the call returns', () => {
    const log = openLog(folder, 'coordinator');
    for (let count = 1; count <= 3; count++) {
      log.error('boom');
      const text = readFileSync(join(folder, 'logs', 'coordinator.log'), 'utf8');
      expect(text.match(/boom"}\n/g)).toHaveLength(count);
    }
    log.close();
  });

  it('never ends the run, even on a full disk', async () => {
    await mkdir(join(folder, 'logs'));
    await symlink('/dev/full', join(folder, 'logs', 'coordinator.log'));
    const log = openLog(folder, 'coordinator');
    expect(() => log.info('lost')).not.toThrow();
    log.close();
  });
});
