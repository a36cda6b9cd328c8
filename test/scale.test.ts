/** `lockstep scale`, as a user runs it: one study, and what is made of it. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readStudy, type Study } from '../src/coordinator/scale/study.js';
import { Commands, type Ended } from './lockstep-command.js';
import { smallConfig } from './small-run.js';

const commands = new Commands();
afterAll(() => commands.end());

const config = join(commands.folder, 'config.yaml');
writeFileSync(config, smallConfig({ microBatches: 4, epochs: [1, 1], more: '' }));

const scale = (...args: string[]): Promise<Ended> => commands.start(['scale', config, ...args]).ended;

describe('lockstep scale', () => {
  const folder = join(commands.folder, 'study');
  let printed: {
    results: { workers: number; globalBatch: number; split: Record<string, number>; slowest: object }[];
    forecast: { law: { law: string }; network: { at: { workers: number }[] } };
  };
  let study: Study;
  beforeAll(async () => {
    const { code, stdout, stderr } = await scale(
      ...['--workers', '2,1', '--repeats', '2', '--warmup', '1', '--steps', '4', '--out', folder, '--json'],
      // Long enough for the slow rank to be slow on a machine that others use, too.
      ...[
        '--mode',
        'weak',
        '--simulate-compute',
        '20',
        '--simulate-slow',
        '1:3',
        '--simulate-link',
        '1gbit,1ms',
      ],
    );
    expect(code, stderr).toBe(0);
    printed = JSON.parse(stdout);
    study = await readStudy(folder);
  }, 60_000);

  it('runs the numbers of workers in turn, another one first in each repeat', () => {
    expect(study.runs.map(({ workers, repeat }) => [workers, repeat])).toEqual([
      [1, 0],
      [2, 0],
      [2, 1],
      [1, 1],
    ]);
    for (const { workers, steps } of study.runs) {
      expect(steps).toHaveLength(4);
      for (const { ranks } of steps) expect(ranks).toHaveLength(workers);
    }
  });

  it('gives every worker the batch of the config in weak mode', () => {
    expect(printed.results.map(({ globalBatch }) => globalBatch)).toEqual([64, 128]);
  });

  it('splits the time of a step, and names the rank that the others wait for', () => {
    const [one, two] = printed.results;
    expect(one!.split.waiting).toBe(0);
    // Four micro-batches at 20 and at 60 ms: the mean of two ranks waits for half of the difference.
    expect(two!.split.waiting).toBeGreaterThan(60);
    expect(two!.slowest).toEqual({ rank: 1, share: 1 });
    for (const { split } of [one!, two!]) expect(split.compute).toBeGreaterThan(79);
    expect(two!.split.exposedComm).toBeGreaterThan(2);
  });

  it('forecasts up to 1024 workers', () => {
    expect(printed.forecast.law.law).toBe('Amdahl');
    expect(printed.forecast.network.at.at(-1)!.workers).toBe(1024);
  });

  it('has a report, whose forecast is called one', async () => {
    const { code, stderr } = await commands.start(['report', folder]).ended;
    expect(code, stderr).toBe(0);
    const text = await readFile(join(folder, 'report.html'), 'utf8');
    expect(text).toContain('FORECAST, not measured: nothing here was run with more than 2 workers.');
    for (const name of ['throughput', 'efficiency', 'step-time', 'forecast']) {
      expect(text).toContain(`id="figure-scaling-${name}"`);
    }
  });

  it('leaves its report in its folder', async () => {
    expect(await readFile(join(folder, 'report.html'), 'utf8')).toContain('id="figure-scaling-throughput"');
  });

  it('in parts comes to the same kind of study, and names the part that failed', async () => {
    const parts = join(commands.folder, 'parts');
    const part = (only: string, ...more: string[]) =>
      scale(
        ...['--workers', '1,2,8', '--repeats', '2', '--warmup', '1', '--steps', '3', '--out', parts],
        ...['--only', only, ...more],
      );
    for (const only of ['2,2', '1']) {
      const { code, stderr } = await part(only);
      expect(code, stderr).toBe(0);
    }
    const many = await part('8,1');
    expect([many.code, many.stderr]).toEqual([2, expect.stringContaining("8 workers can't share 4")]);
    const { code, stdout, stderr } = await commands.start(['scale', '--collect', parts, '--json']).ended;
    expect(code, stderr).toBe(0);
    const { results, missing } = JSON.parse(stdout);
    expect(
      results.map((result: { workers: number; repeats: number }) => [result.workers, result.repeats]),
    ).toEqual([
      [1, 2],
      [2, 1],
    ]);
    expect(missing).toEqual([
      { workers: 2, repeat: 0, why: expect.stringContaining('left nothing') },
      { workers: 8, repeat: 0, why: expect.stringContaining("8 workers can't share 4 micro-batches") },
      { workers: 8, repeat: 1, why: expect.stringContaining('left nothing') },
    ]);
    expect((await readStudy(parts)).runs).toHaveLength(3);
    expect(await readFile(join(parts, 'report.html'), 'utf8')).toContain('Missing: 8 workers, run 1:');
  });

  it('says what is wrong before anything runs', async () => {
    const used = join(commands.folder, 'used');
    for (const [args, message] of [
      [['--only', '1'], '--only needs --out'],
      [['--only', '0,1', '--out', used], "'0,1' names no run of a study"],
      [['--only', '4,1', '--out', used], 'The study has no run 1 of 4 workers: it has 3 each of 1, 2.'],
      [['--only', '1,1', '--out', folder], 'holds a whole study already'],
      [['--launch', 'remote'], 'it takes --only N,REPEAT'],
      [['--launch', 'remote', '--only', '1,1', '--out', used], 'Nothing says where to listen'],
      [['--collect', used], 'it takes neither a config nor --only'],
    ] as const) {
      const { code, stderr } = await scale(...args);
      expect([code === 0, stderr]).toEqual([false, expect.stringContaining(message)]);
    }
    const many = await scale('--workers', '1,8');
    expect(many.code).toBe(2);
    expect(many.stderr).toContain("8 workers can't share 4 micro-batches");
    const weak = await scale('--workers', '1,32', '--mode', 'weak');
    expect(weak.stderr).toContain('more than the 1024 of the dataset');
    const again = await scale('--out', folder);
    expect(again.stderr).toContain('is not empty');
    const slow = await scale('--simulate-slow', '1:2');
    expect(slow.stderr).toContain('--simulate-slow needs --simulate-compute');
    const broken = join(commands.folder, 'broken');
    mkdirSync(broken);
    writeFileSync(join(broken, 'study.json'), '{"format":1}');
    const report = await commands.start(['report', broken]).ended;
    expect(report.code).toBe(1);
    expect(report.stderr).toMatch(/study.json can't be read: /);
  });
});
