/** Runs that end early, by a signal, by kill -9 or with a damaged checkpoint, and go on to the same bits. */
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RunRecord } from '../src/coordinator/run-folder.js';
import { openCheckpoint } from '../src/shared/checkpoint/checkpoint.js';
import { alive, Commands, committed, eventsOf, workerPids } from './lockstep-command.js';
import { resultOf, smallConfig, undisturbed } from './small-run.js';

const text = smallConfig({
  microBatches: 4,
  epochs: [4, 4],
  augment: '{ crop: 0, resizedCrop: {}, flip: alternating, cutout: 8 }',
  more: 'checkpoint: { everySteps: 5, keep: 3 }',
});
const totalSteps = 128;

let commands: Commands;
let config: string;
beforeEach(() => {
  commands = new Commands();
  config = join(commands.folder, 'config.yaml');
  writeFileSync(config, text);
});
afterEach(() => commands.end());

const train = (out: string, workers: number, ...more: string[]) =>
  commands.start(['train', config, '--workers', `${workers}`, '--out', out, '--json', ...more]);

it.each([
  ['more workers than micro-batches', 99, []],
  ['a dataset that is not there', 1, ['--set', 'data.dataset=/nowhere']],
])('a run that can not begin (%s) leaves no folder in the way of the next one', async (_, workers, more) => {
  const out = join(commands.folder, 'run');
  const { code, stderr } = await train(out, workers, ...more).ended;
  expect(code, stderr).not.toBe(0);
  expect(existsSync(out)).toBe(false);
});

describe('a run that is asked to stop', () => {
  it.each(['SIGTERM', 'SIGUSR2', 'SIGINT'] as const)(
    '%s: saves, ends with 0, and goes on with other numbers of workers to the same bits',
    async (signal) => {
      const expected = await undisturbed(text);
      const out = join(commands.folder, 'run');
      let stdout = '';
      // In the first stage, in the second, and to the end.
      for (const [workers, until] of [
        [2, 7],
        [3, 85],
        [1, totalSteps],
      ] as const) {
        const run = train(out, workers, '--resume');
        if (until < totalSteps) {
          await committed(out, until);
          run.child.kill(signal);
        }
        const ended = await run.ended;
        expect(ended.code).toBe(0);
        ({ stdout } = ended);
        if (until === totalSteps) break;
        expect(ended.stderr).toContain('--resume goes on');
        const { stopped, step } = JSON.parse(stdout) as { stopped: boolean; step: number };
        expect(stopped).toBe(true);
        expect(step).toBeLessThan(totalSteps);
        expect(readdirSync(join(out, 'checkpoints'))).toContain(String(step).padStart(8, '0'));
      }
      expect(await resultOf(out, stdout)).toEqual(expected);
      const skipped = (await eventsOf(out, 'step')).filter((step) => step.skipped);
      expect(new Set(skipped.map(({ stage }) => stage))).toEqual(new Set(['pretrain', 'train']));
      // It has ended: once more changes nothing.
      const again = await train(out, 2, '--resume').ended;
      expect(await resultOf(out, again.stdout)).toEqual(expected);
    },
  );

  it('a second signal ends it at once, and its workers', async () => {
    const out = join(commands.folder, 'run');
    const { child, ended } = train(out, 2);
    await committed(out, 1);
    const pids = workerPids(out);
    child.kill('SIGTERM');
    child.kill('SIGINT');
    const { code } = await ended;
    // Whichever the kernel delivers last; a run that was quick to save has ended with 0.
    expect([0, 130, 143]).toContain(code);
    await expect.poll(() => pids.filter(alive), { timeout: 5000 }).toEqual([]);
  });
});

describe('a coordinator that is killed', () => {
  it('goes on from the last whole checkpoint, and says which was damaged', async () => {
    const expected = await undisturbed(text);
    const out = join(commands.folder, 'run');
    const { child, ended } = train(out, 2);
    await committed(out, 40);
    child.kill('SIGKILL');
    await ended;
    await expect.poll(() => workerPids(out).filter(alive), { timeout: 10_000 }).toEqual([]);
    const whole = readdirSync(join(out, 'checkpoints')).filter((name) => /^\d/.test(name));
    expect(whole.length).toBeGreaterThan(1);
    const newest = whole.sort().at(-1)!;
    truncateSync(join(out, 'checkpoints', newest, 'weights.safetensors'), 1000);
    const resumed = await train(out, 4, '--resume').ended;
    expect(resumed.stderr).toMatch(new RegExp(`Passed over: .*${newest}`));
    expect(resumed.stderr).toContain(`goes on after step ${Number(whole.at(-2))}`);
    expect(await resultOf(out, resumed.stdout)).toEqual(expected);
  });
});

describe('a full disk', () => {
  it('costs a checkpoint, not the run, and leaves the earlier ones whole', async (context) => {
    const expected = await undisturbed(text);
    const disk = join(commands.folder, 'disk');
    mkdirSync(disk);
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', disk]);
    if (mounted.status !== 0) context.skip('no tmpfs can be mounted here');
    try {
      const out = join(disk, 'run');
      const { child, ended } = train(out, 2);
      let stderr = '';
      const says = (text: string) => expect.poll(() => stderr, { timeout: 30_000 }).toContain(text);
      child.stderr!.on('data', (data) => {
        stderr += data;
      });
      await committed(out, 12);
      const ballast = join(disk, 'ballast');
      spawnSync('dd', ['if=/dev/zero', `of=${ballast}`, 'bs=4k']);
      await says('no checkpoint after step');
      expect(stderr).toContain('No space left');
      const whole = readdirSync(join(out, 'checkpoints')).filter((name) => /^\d/.test(name));
      for (const name of whole) await (await openCheckpoint(join(out, 'checkpoints', name))).close();
      expect(whole.length).toBeGreaterThan(0);
      rmSync(ballast);
      const { code, stdout } = await ended;
      expect(code, stderr).toBe(0);
      expect(await resultOf(out, stdout)).toEqual(expected);
    } finally {
      commands.killAll();
      spawnSync('umount', ['-l', disk]);
    }
  });
});

describe('--resume', () => {
  it('refuses another configuration and other images, and wants to know which run', async () => {
    const out = join(commands.folder, 'run');
    const { child, ended } = train(out, 1);
    await committed(out, 1);
    child.kill('SIGTERM');
    await ended;
    const other = await train(out, 1, '--resume', '--set', 'seed=2').ended;
    expect(other.code).toBe(1);
    expect(other.stderr).toContain('is a run of another configuration');
    const path = join(out, 'run.json');
    const record = JSON.parse(readFileSync(path, 'utf8')) as RunRecord;
    expect(record.datasetDigest).toMatch(/^[0-9a-f]{64}$/);
    writeFileSync(path, JSON.stringify({ ...record, datasetDigest: '0'.repeat(64) }));
    const images = await train(out, 1, '--resume').ended;
    expect(images.code).toBe(1);
    expect(images.stderr).toMatch(/was begun with other images .*\(000000000000, not [0-9a-f]{12}\)/);
    const nowhere = await commands.start(['train', config, '--resume']).ended;
    expect(nowhere.code).toBe(2);
    expect(nowhere.stderr).toContain('--resume does not know which run. Give its folder with --out.');
  });
});
