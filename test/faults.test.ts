/** A worker that is lost in every phase of a step, in every way: the run goes on, and comes to the same bits. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Commands, endpointOf, eventsOf, workerPids } from './lockstep-command.js';
import { resultOf, smallConfig, undisturbed } from './small-run.js';

const text = smallConfig({
  microBatches: 6,
  epochs: [3, 3],
  more: 'checkpoint: { everySteps: 4 }\ndeadlines: { heartbeatSeconds: 3 }',
});
/** The n-pairs stage has steps 0 to 29, softmax those after it. */
const stepsOfFirst = 30;

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

describe('a run one of whose workers', () => {
  it('hangs but says that it lives loses that one, not one that waits for it', async () => {
    const text = smallConfig({
      microBatches: 6,
      epochs: [3, 3],
      more: 'deadlines: { heartbeatSeconds: 3, stepSeconds: 8, connectSeconds: 60 }',
    });
    writeFileSync(config, text);
    const expected = await undisturbed(text);
    const args = ['coordinator', config, '--workers', '3', '--bind', 'tcp://127.0.0.1:*'];
    const { ended } = commands.start([...args, '--out', out, '--json']);
    await endpointOf(out);
    const worker = (env = {}) => commands.start(['worker', '--join', join(out, 'join.json')], env);
    for (const workers of [1, 2]) {
      worker();
      await expect.poll(() => workerPids(out).length, { timeout: 30_000 }).toBe(workers);
    }
    const bad = worker({ LOCKSTEP_FAULT: `hang@input@${stepsOfFirst + 4}` });
    const { code, stdout, stderr } = await ended;
    bad.child.kill('SIGKILL');
    expect(code, stderr).toBe(0);
    expect(await resultOf(out, stdout)).toEqual(expected);
    const generations = await eventsOf(out, 'generation');
    expect(generations.map(({ workers }) => workers)).toEqual([2]);
    expect(generations[0]!.reason).toMatch(
      /Lost rank 2 on .* \(phase: input, step 34\): it did not send 'reduced' within 8 s/,
    );
  });

  it.each([
    ['kill', 'input', stepsOfFirst + 5],
    ['kill', 'forward and backward', 5],
    ['kill', 'gather', 7],
    ['kill', 'reduce', 8],
    ['kill', 'commit', stepsOfFirst + 6],
    ['kill', 'apply', 9],
    ['kill', 'evaluate', stepsOfFirst],
    ['kill', 'checkpoint', 4],
    ['abort', 'forward and backward', stepsOfFirst + 3],
    ['throw', 'gather', 6],
    ['throw', 'reduce', stepsOfFirst + 4],
    ['stop', 'gather', 5],
    ['stop', 'commit', stepsOfFirst + 2],
  ])('does %s in phase %s goes on, and comes to the same bits', async (kind, phase, step) => {
    const expected = await undisturbed(text);
    const args = ['coordinator', config, '--workers', '3', '--bind', 'tcp://127.0.0.1:*'];
    const { ended } = commands.start([...args, '--out', out, '--json']);
    await endpointOf(out);
    const fault = { LOCKSTEP_FAULT: `${kind}@${phase}@${step}` };
    const worker = (env = {}) => commands.start(['worker', '--join', join(out, 'join.json')], env);
    // Rank 0, who came first, is the one that sends checkpoints.
    const bad = worker(fault);
    await expect.poll(() => workerPids(out).length, { timeout: 30_000 }).toBe(1);
    worker();
    worker();
    const { code, stdout, stderr } = await ended;
    expect(code, stderr).toBe(0);
    expect(await resultOf(out, stdout)).toEqual(expected);
    const generations = await eventsOf(out, 'generation');
    expect(generations).toHaveLength(1);
    expect(generations[0]!.workers).toBe(2);
    const how = {
      kill: 'its connection is gone',
      abort: 'its connection is gone',
      stop: 'silent for \\d\\.\\d s',
      // It lives long enough to say where it is.
      throw: `phase: ${phase}, .*it failed: Array buffer allocation failed`,
    }[kind];
    expect(generations[0]!.reason).toMatch(new RegExp(`Lost rank \\d on .*${how}`));
    if (kind === 'stop') bad.child.kill('SIGKILL');
  });
});
