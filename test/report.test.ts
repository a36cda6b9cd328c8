/** `lockstep report`, as a user runs it; how a report looks is in report-page.test.ts. */
import { mkdtempSync, rmSync } from 'node:fs';
import { appendFile, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Log, openLog } from '../src/coordinator/log.js';
import { leaveReport } from '../src/coordinator/report/end-of-run.js';
import { serveReport } from '../src/coordinator/report/serve.js';
import { writeExampleEvaluation } from './example-evaluation.js';
import { contrastive, exampleEvents, traditional, writeExample } from './example-run.js';
import { Commands } from './lockstep-command.js';
import { smallConfig } from './small-run.js';

let commands: Commands;
let folder: string;
beforeEach(() => {
  commands = new Commands();
  folder = mkdtempSync(join(tmpdir(), 'lockstep-report-'));
});
afterEach(() => {
  commands.end();
  rmSync(folder, { recursive: true, force: true });
});

const report = (...args: string[]) => commands.start(['report', ...args]).ended;

/** @throws if the command failed */
async function documentOf(...args: string[]) {
  const { code, stdout, stderr } = await report(...args, '--json');
  expect(code, stderr).toBe(0);
  return { ...JSON.parse(stdout), stderr };
}

describe('lockstep report', () => {
  it("writes one run's report into its folder, and says so", async () => {
    const run = writeExample(folder, traditional);
    const { report: path, bytes, runs, plots } = await documentOf(run);
    expect(path).toBe(join(run, 'report.html'));
    expect(bytes).toBe((await stat(path)).size);
    expect(runs).toEqual([{ run, name: 'traditional', finished: true, steps: 40, warnings: [] }]);
    expect(plots).toEqual([]);
    const text = await readFile(path, 'utf8');
    expect(text).not.toMatch(/(?:src|href)="(?!data:,)|@import|url\((?!#)/);
  });

  it('exports each plot as SVG that stands alone, and its numbers', async () => {
    const runs = [traditional, contrastive].map((example) => writeExample(folder, example));
    const plots = join(folder, 'plots');
    const written = await documentOf(...runs, '--out', join(folder, 'x.html'), '--plots', plots);
    const names = written.plots.map(({ name }: { name: string }) => name);
    expect(names).toEqual([
      ...['accuracy', 'loss-softmax', 'loss-npairs', 'excess-npairs', 'learning-rate', 'gradient-norm'],
      ...['throughput', 'step-time-1', 'step-time-2'],
    ]);
    for (const name of names) {
      const svg = await readFile(join(plots, `${name}.svg`), 'utf8');
      expect(svg).toMatch(/^<svg xmlns="http:\/\/www.w3.org\/2000\/svg"/);
      expect(svg).not.toMatch(/var\(|currentColor/);
    }
    const [header, ...rows] = (await readFile(join(plots, 'accuracy.csv'), 'utf8')).trim().split('\r\n');
    expect(header).toBe('run,series,stage,epoch,min,median,max,count');
    expect(rows).toContain('traditional,test,train,4,0.4,0.4,0.4,1');
    expect(rows).toContain('contrastive,test,head,5,0.4,0.4,0.4,1');
    if (written.plots[0].png === undefined) expect(written.stderr).toContain('No PNG files');
    else expect((await readFile(join(plots, 'accuracy.png'))).subarray(1, 4).toString()).toBe('PNG');
  });

  it('reports a run that goes on, with what there is', async () => {
    for (const until of [0, 1, 9, 33]) {
      const run = writeExample(folder, { ...contrastive, name: `until-${until}`, until });
      const { runs } = await documentOf(run);
      expect(runs).toMatchObject([{ finished: false, steps: until }]);
    }
  });

  it('leaves out damaged lines, and says how many', async () => {
    const run = writeExample(folder, { ...traditional, until: 20 });
    await appendFile(join(run, 'metrics.jsonl'), 'not an event\n{"type":"step"}\n{"torn');
    const { runs, stderr } = await documentOf(run);
    expect(runs[0].warnings).toEqual([
      'metrics.jsonl has 2 damaged lines, left out here; the first is line 23.',
    ]);
    expect(stderr).toContain('2 damaged lines');
    expect(await readFile(join(run, 'report.html'), 'utf8')).toContain('2 damaged lines');
  });

  it('shows a run that diverged', async () => {
    const events = exampleEvents({ ...traditional, until: 20 }).map((event) =>
      event.type === 'step' && event.step > 15 ? { ...event, loss: Number.NaN, gradNorm: Number.NaN } : event,
    );
    const run = writeExample(folder, { ...traditional, until: 20 }, events);
    const { runs } = await documentOf(run);
    expect(runs[0].warnings).toEqual(['The loss was not finite in 5 steps, first in step 16.']);
  });

  it('tells runs of one name apart by their folders', async () => {
    const parents = ['a', 'b'].map((name) => join(folder, name));
    const runs = [];
    for (const parent of parents) {
      await mkdir(parent);
      runs.push(writeExample(parent, traditional));
    }
    const out = join(folder, 'x.html');
    await documentOf(...runs, '--out', out);
    const text = await readFile(out, 'utf8');
    for (const run of runs) expect(text).toContain(`traditional (${run})</h3>`);
  });

  it('of 100,000 steps is smaller than 2 MB, and has the spike', async () => {
    const long = { ...traditional, stepsPerEpoch: 25_000 };
    const events = exampleEvents(long).map((event) =>
      event.type === 'step' && event.step === 54_321 ? { ...event, loss: 1234.5 } : event,
    );
    const run = writeExample(folder, long, events);
    const { bytes } = await documentOf(run, '--plots', join(folder, 'plots'));
    expect(bytes).toBeLessThan(200_000);
    expect(await readFile(join(folder, 'plots', 'loss-softmax.csv'), 'utf8')).toContain(',1234.5,');
  });

  it('of six evaluated runs is smaller than 2 MB, and their plots have their numbers', async () => {
    const runs = [1, 2, 3, 4, 5, 6].map((number) => {
      const run = writeExample(folder, { ...contrastive, name: `run-${number}` });
      writeExampleEvaluation(run, { found: 50, spaces: ['features', 'embeddings'], points: 2000 });
      return run;
    });
    const plots = join(folder, 'plots');
    const { bytes } = await documentOf(...runs, '--out', join(folder, 'x.html'), '--plots', plots);
    expect(bytes).toBeLessThan(1_200_000);
    const rows = async (name: string) =>
      (await readFile(join(plots, `${name}.csv`), 'utf8')).trim().split('\r\n');
    // 24,000 points, shared by four drawings of each run.
    expect(await rows('features-umap-6')).toHaveLength(1 + 1000);
    expect((await rows('embeddings-pca-1'))[0]).toBe('image,class,predicted,x,y');
    expect((await rows('class-recall'))[1]).toBe('run-1,airplane,100,0.5,0.5');
    expect(await rows('confusion-3')).toContain('airplane,automobile,50');
    const sure = (await rows('reliability')).find((row) => row.startsWith('run-2,0.8666666666666667,'))!;
    const [count, confidence, accuracy] = sure.split(',').slice(3).map(Number);
    expect([count, confidence?.toFixed(9), accuracy]).toEqual([500, '0.900000000', 1]);
    const svg = await readFile(join(plots, 'features-umap-1.svg'), 'utf8');
    expect(svg).not.toMatch(/var\(|currentColor/);
    expect(svg).toContain('>airplane</text>');
  });

  it('says so when an evaluation is damaged, and shows the rest', async () => {
    const run = writeExample(folder, traditional);
    await writeFile(join(run, 'evaluation.json'), '{"format":2}');
    const { runs } = await documentOf(run);
    expect(runs[0].warnings).toEqual([
      expect.stringContaining('evaluation.json is missing or no evaluation of a checkpoint'),
    ]);
    expect(await readFile(join(run, 'report.html'), 'utf8')).not.toContain('id="evaluation"');
  });

  it('says what is wrong with its arguments and folders', async () => {
    const run = writeExample(folder, traditional);
    const other = writeExample(folder, contrastive);
    await rm(join(other, 'metrics.jsonl'));
    const broken = writeExample(folder, { ...traditional, name: 'broken' });
    await writeFile(join(broken, 'run.json'), '{');
    const cases: [string[], number, string][] = [
      [[run, broken], 2, 'A report on several runs needs --out.'],
      [[run, run, '--out', 'x'], 2, 'is given twice'],
      [[run, '--serve', '--out', 'x'], 2, '--serve writes no files'],
      [[run, '--serve', '--port', '70000'], 2, '--port takes a whole number from 0 to 65535, not 70000.'],
      [[run, '--x', 'hours'], 2, 'Invalid values'],
      [[run, '--out', join(folder, 'missing', 'x.html')], 1, "x.html can't be written"],
      [[join(folder, 'nothing')], 1, 'is no run folder: it has no run.json'],
      [[other], 1, 'has no metrics.jsonl: there is nothing to report.'],
      [[broken], 1, 'has a run.json that is damaged'],
    ];
    for (const [args, expected, message] of cases) {
      const { code, stderr, stdout } = await report(...args);
      expect(stderr).toContain(message);
      expect(stderr.trim().split('\n').length, stderr).toBeLessThan(12);
      expect([code, stdout]).toEqual([expected, '']);
    }
    expect(await readdir(run)).not.toContain('report.html');
  });
});

describe('a run that ends', () => {
  it('leaves its report in its folder', async () => {
    const config = join(folder, 'config.yaml');
    await writeFile(config, smallConfig({ microBatches: 2, epochs: [1, 1], more: '' }));
    const run = join(folder, 'run');
    const { code, stderr } = await commands.start(['train', config, '--out', run, '--json']).ended;
    expect(code, stderr).toBe(0);
    expect(stderr).not.toContain('No report');
    expect(await readFile(join(run, 'report.html'), 'utf8')).toContain('<h1>small</h1>');
  });

  it('and has failed leaves a report that says why, if it did a step', async () => {
    const said: string[] = [];
    const leave = (run: string) => leaveReport(run, (text) => said.push(text));
    const log = (run: string, write: (log: Log) => void) => {
      const opened = openLog(run, 'coordinator');
      write(opened);
      opened.close();
    };
    const begun = writeExample(folder, { ...traditional, until: 12 });
    log(begun, (opened) => opened.error('Lost rank 1 on <h>.'));
    await leave(begun);
    const report = async () => await readFile(join(begun, 'report.html'), 'utf8');
    expect(await report()).toContain('<p class="note">The run has failed: Lost rank 1 on &lt;h&gt;.</p>');
    expect(await report()).toContain('Failed, at step 12 of 40');
    const idle = writeExample(folder, { ...traditional, name: 'idle', until: 0 });
    log(idle, (opened) => opened.error('Lost rank 1 on <h>.'));
    await leave(idle);
    expect(await readdir(idle)).not.toContain('report.html');
    // Somebody goes on with it.
    log(begun, (opened) => opened.info('coordinator listens'));
    await leave(begun);
    expect(await report()).not.toContain('failed');
    expect(said).toEqual([]);
  });

  it('is not spoilt by a report that can not be made', async () => {
    const said: string[] = [];
    await leaveReport(join(folder, 'nowhere'), (text) => said.push(text));
    expect(said).toEqual([expect.stringMatching(/^No report: .*nowhere is no run folder/)]);
  });
});

describe('a served report', () => {
  it('answers on this host only, to this host only, and once a change', async () => {
    const file = join(folder, 'metrics.jsonl');
    await writeFile(file, '');
    let renderings = 0;
    const render = async () => {
      renderings += 1;
      return `<main>${renderings}</main>`;
    };
    const server = await serveReport({ port: 0, files: [file], render });
    try {
      expect(server.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/$/);
      for (let i = 0; i < 3; i += 1) expect(await (await fetch(server.url)).text()).toBe('<main>1</main>');
      expect((await fetch(`${server.url}etc/passwd`)).status).toBe(404);
      expect((await fetch(server.url, { method: 'POST' })).status).toBe(405);
      const changes = (await fetch(`${server.url}changes`))
        .body!.pipeThrough(new TextDecoderStream())
        .getReader();
      expect((await changes.read()).value).toBe(':\n\n');
      await appendFile(file, 'x\n');
      expect((await changes.read()).value).toBe('data: changed\n\n');
      expect(await (await fetch(server.url)).text()).toBe('<main>2</main>');
      await expect(
        serveReport({ port: Number(new URL(server.url).port), files: [], render }),
      ).rejects.toThrow("can't be listened on");
    } finally {
      await server.close();
    }
  });

  it('says what went wrong, and tries again', async () => {
    let fails = true;
    const render = async () => {
      if (fails) throw new Error('half-written');
      return 'whole';
    };
    const server = await serveReport({ port: 0, files: [], render });
    try {
      const failed = await fetch(server.url);
      expect([failed.status, await failed.text()]).toEqual([500, 'Error: half-written\n']);
      fails = false;
      expect(await (await fetch(server.url)).text()).toBe('whole');
    } finally {
      await server.close();
    }
  });
});
