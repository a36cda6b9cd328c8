/** Runs that lose and gain workers, and come to the bits of a run to which nothing happened. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { alive, Commands, committed, endpointOf, eventsOf, workerPids } from './lockstep-command.js';
import { resultOf, smallConfig, undisturbed } from './small-run.js';

const text = smallConfig({ microBatches: 6, epochs: [6, 6], more: 'checkpoint: { everySteps: 4 }' });

let commands: Commands;
let config: string;
let out: string;
beforeEach(() => {
  commands = new Commands();
  config = join(commands.folder, 'config.yaml');
  out = join(commands.folder, 'run');
  writeFileSync(config, text);
});
afterEach(() => commands.end());

const train = (run: string, workers: number, ...more: string[]) =>
  commands.start(['train', config, '--workers', `${workers}`, '--out', run, '--json', ...more]);

describe('a run that loses workers', () => {
  it('goes on without a killed one, names it, starts it again, and comes to the same bits', async () => {
    const expected = await undisturbed(text);
    const { ended } = train(out, 3);
    await committed(out, 10);
    process.kill(workerPids(out)[1]!, 'SIGKILL');
    const { code, stdout, stderr } = await ended;
    expect(code, stderr).toBe(0);
    expect(await resultOf(out, stdout)).toEqual(expected);
    const [lost, joined] = await eventsOf(out, 'generation');
    expect(lost).toMatchObject({ generation: 2, workers: 2 });
    expect(lost!.reason).toMatch(/Lost rank \d on \S+ \(phase: [a-z ]+, step \d+\): killed by SIGKILL/);
    expect(lost!.seconds).toBeLessThan(5);
    expect(joined).toMatchObject({ generation: 3, workers: 3 });
    expect(joined!.reason).toMatch(/^rank 2 on \S+ joined$/);
  });

  it('goes on without one that is stopped, and ends that one', async () => {
    const expected = await undisturbed(text);
    const { ended } = train(
      out,
      2,
      ...['--set', 'recovery.restarts=0', '--set', 'deadlines.heartbeatSeconds=3'],
    );
    await committed(out, 5);
    const [first] = workerPids(out);
    process.kill(first!, 'SIGSTOP');
    const { code, stdout, stderr } = await ended;
    expect(code, stderr).toBe(0);
    expect(await resultOf(out, stdout)).toEqual(expected);
    const [lost] = await eventsOf(out, 'generation');
    expect(lost!.reason).toMatch(/Lost rank \d on \S+ .*: silent for \d\.\d s/);
    expect(alive(first!)).toBe(false);
  });

  it('survives losing all but one, one after the other', async () => {
    const expected = await undisturbed(text);
    const { ended } = train(out, 4, '--set', 'recovery.restarts=0');
    for (const [i, steps] of [3, 20, 70].entries()) {
      await committed(out, steps);
      process.kill(workerPids(out)[i]!, 'SIGKILL');
    }
    const { code, stdout, stderr } = await ended;
    expect(code, stderr).toBe(0);
    expect(await resultOf(out, stdout)).toEqual(expected);
    const events = await eventsOf(out, 'generation');
    expect(events.map(({ workers }) => workers)).toEqual([3, 2, 1]);
  });
});

describe('a run that gains a worker', () => {
  it('lets it in at a commit, and comes to the same bits', async () => {
    const expected = await undisturbed(text);
    const args = ['coordinator', config, '--workers', '1', '--bind', 'tcp://127.0.0.1:*', '--out', out];
    const coordinator = commands.start([...args, '--json']);
    await endpointOf(out);
    commands.start(['worker', '--join', join(out, 'join.json')]);
    await committed(out, 2);
    commands.start(['worker', '--join', join(out, 'join.json')]);
    const { code, stdout, stderr } = await coordinator.ended;
    expect(code, stderr).toBe(0);
    expect(await resultOf(out, stdout)).toEqual(expected);
    expect(await eventsOf(out, 'generation')).toMatchObject([{ generation: 2, workers: 2 }]);
  });
});
