/** A run that is watched from beside it, from its folder alone. */
import { existsSync, writeFileSync } from 'node:fs';
import { appendFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MetricsWriter, rewindMetrics, type StepEvent } from '../src/coordinator/metrics.js';
import { createRunFolder, runFolderAt } from '../src/coordinator/run-folder.js';
import { writeSummary } from '../src/coordinator/summary.js';
import { type WatchedRun, watch } from '../src/coordinator/watch/watch.js';
import { loadConfig } from '../src/shared/config/load.js';
import { Commands, committed } from './lockstep-command.js';
import { smallConfig } from './small-run.js';

let commands: Commands;
let config: string;
let run: string;
beforeEach(() => {
  commands = new Commands();
  config = join(commands.folder, 'config.yaml');
  run = join(commands.folder, 'run');
  writeFileSync(config, smallConfig({ microBatches: 4, epochs: [1, 8], more: '' }));
});
afterEach(() => commands.end());

/** A run folder with nothing in it yet. */
async function begunRun() {
  const resolved = await loadConfig(config, {});
  const start = { startedAt: new Date().toISOString(), commandLine: [], topology: {}, versions: {} };
  return await createRunFolder(run, {
    name: 'small',
    config: resolved,
    configDigest: 'c',
    seed: 1,
    ...start,
  });
}

describe('lockstep watch', () => {
  it('follows a run until it has ended, and prints what came of it', async () => {
    const training = commands.start(['train', config, '--out', run, '--workers', '2']);
    await expect.poll(() => existsSync(join(run, 'run.json')), { timeout: 20_000, interval: 5 }).toBe(true);
    const watching = commands.start(['watch', run]);
    await committed(run, 3);
    const once = await commands.start(['watch', run, '--once', '--json']).ended;
    expect(once.code, once.stderr).toBe(0);
    const seen = JSON.parse(once.stdout) as WatchedRun;
    expect(seen).toMatchObject({ name: 'small', totalSteps: 144, stepsPerEpoch: 16, workers: 2 });
    expect(seen.step).toBeGreaterThanOrEqual(3);
    expect((await training.ended).code).toBe(0);
    const { code, stdout, stderr } = await watching.ended;
    expect(code, stderr).toBe(0);
    expect(stdout).toContain(`small (${run}): `);
    expect(stdout).toContain('train epoch 8: test loss');
    expect(stdout).toMatch(/small +pretrain +npairs +1 /);
    const after = await commands.start(['watch', run, '--json']).ended;
    expect(JSON.parse(after.stdout)).toMatchObject({
      state: 'finished',
      step: 144,
      checkpoint: 144,
      evaluation: { epoch: 8 },
      summary: { stages: [{ name: 'pretrain' }, { name: 'train' }] },
    });
    expect(after.stderr).toContain('100.0 %  step 144/144');
  });

  it('waits for a run without steps, and Ctrl-C ends the waiting', async () => {
    await begunRun();
    const { child, ended } = commands.start(['watch', run]);
    await new Promise((resolve) => child.stdout!.once('data', resolve));
    child.kill('SIGINT');
    const { stdout } = await ended;
    expect(child.signalCode).toBe('SIGINT');
    expect(stdout).toContain('waits for its first step');
    // A line that is being written is no news yet.
    await writeFile(runFolderAt(run).metrics, '{"type":"st');
    const once = await commands.start(['watch', run, '--once']).ended;
    expect(once.code).toBe(0);
    expect(once.stdout).toContain('waits for its first step');
  });

  it('says that there is no run, or that it is damaged', async () => {
    const nowhere = await commands.start(['watch', join(commands.folder, 'nowhere'), '--once', '--json'])
      .ended;
    expect(nowhere.code).toBe(1);
    expect(nowhere.stderr).toMatch(/^lockstep: error: .*nowhere is no run folder: it has no run\.json\./);
    expect(JSON.parse(nowhere.stdout)).toMatchObject({ error: { code: 'RUN_FOLDER' } });
    const { metrics } = await begunRun();
    await writeFile(metrics, 'nonsense\nnonsense\n');
    const damaged = await commands.start(['watch', run]).ended;
    expect(damaged.code).toBe(1);
    expect(damaged.stderr).toContain(`${metrics}, line 1 is no event`);
  });
});

describe('a run that is resumed while it is watched', () => {
  const step = (number: number): StepEvent => ({
    type: 'step',
    stage: 'pretrain',
    epoch: 1,
    step: number,
    samples: number * 64,
    loss: 1,
    lr: 0.1,
    gradNorm: 1,
    imagesPerSec: 64,
    workers: 1,
    ms: { total: 1000, input: 0, compute: 1000, exposedComm: 0, commit: 0 },
  });

  it('goes back to where it was saved, and on', async () => {
    const folder = await begunRun();
    const write = (...steps: number[]) => {
      const writer = new MetricsWriter(folder.metrics);
      for (const number of steps) writer.append(step(number));
      writer.close();
    };
    const happening = [
      () => write(1, 2, 3),
      () => appendFile(folder.metrics, '{"type":"st'),
      () => rewindMetrics(folder.metrics, 1),
      () => write(2, 3),
      () => writeSummary(folder.summary, { stages: [], accuracy: null, seconds: 1, weightsDigest: '' }),
    ];
    const seen: [step: number, state: string, restarted: boolean, events: number][] = [];
    const last = await watch({
      run,
      once: false,
      view: {
        show: ({ step, state }, events, restarted) => seen.push([step, state, restarted, events.length]),
      },
      wait: async () => await happening.shift()!(),
      now: () => 0,
    });
    expect(seen).toEqual([
      [0, 'waiting', false, 0],
      [3, 'training', false, 3],
      [3, 'training', false, 0],
      [1, 'training', true, 1],
      [3, 'training', false, 2],
      [3, 'finished', false, 0],
    ]);
    expect(last.recent.loss).toHaveLength(3);
  });
});
