/** How a generation forms: the coordinator's end over a real socket, and workers that say what a test has them say. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { WorkerGroup } from '../src/coordinator/worker-group.js';
import { SaidWorkers } from './said-workers.js';

const heartbeatMs = 1_000;
let workers: SaidWorkers;
let group: WorkerGroup;

beforeEach(async () => {
  workers = await SaidWorkers.bind(heartbeatMs);
  group = workers.group;
});
afterEach(() => workers.end());

const twoWorkers = () => workers.start('idle', 'busy');

it('waits for one that is busy when another gives up on it, and says who was late', async () => {
  const { idle, busy, members } = await twoWorkers();
  let isOver = false;
  const forming = group.form(members, 20_000).finally(() => {
    isOver = true;
  });
  const failed = expect(forming).rejects.toThrow('rank 0 on idle: rank 1 is silent.');
  await idle.asked('form');
  await idle.say({ type: 'broken', generation: 1, message: 'rank 1 is silent.' });
  await expect.poll(() => workers.said.join()).toContain('generation 1 does not form. rank 0 on idle');
  // Longer than a broken link waits for the news of who is lost, and than what counts as late.
  await new Promise((resolve) => setTimeout(resolve, 2 * heartbeatMs));
  expect(isOver).toBe(false);
  await busy.say({ type: 'broken', generation: 1, message: 'rank 0 has left.' });
  await failed;
  expect(group.late).toEqual([members[1]]);
  expect(group.survivors).toEqual(members);
});

it('does not wait for one that is to join when those who were there have given up on it', async () => {
  const { idle, members } = await twoWorkers();
  const failed = expect(group.form(members, 20_000, [members[0]!])).rejects.toThrow('rank 1 is silent.');
  await idle.asked('form');
  await idle.say({ type: 'broken', generation: 1, message: 'rank 1 is silent.' });
  await failed;
  expect(group.late).toEqual([]);
  expect(group.survivors).toEqual(members);
});

it('blames nobody for being late when all give up at once', async () => {
  const { idle, busy, members } = await twoWorkers();
  const failed = expect(group.form(members, 20_000)).rejects.toThrow('silent');
  await Promise.all([idle.asked('form'), busy.asked('form')]);
  await idle.say({ type: 'broken', generation: 1, message: 'rank 1 is silent.' });
  await busy.say({ type: 'broken', generation: 1, message: 'rank 0 is silent.' });
  await failed;
  expect(group.late).toEqual([]);
});

it('loses one that answers nothing until the deadline, by its name', async () => {
  const { idle, members } = await twoWorkers();
  const failed = expect(group.form(members, 1_000)).rejects.toThrow(
    /Lost rank 1 on busy .*did not send 'joined' within 1 s/,
  );
  await idle.asked('form');
  await idle.say({ type: 'broken', generation: 1, message: 'rank 1 is silent.' });
  await failed;
  expect(group.survivors).toEqual([members[0]]);
});

it('ends at once when a member is lost', async () => {
  const { idle, members } = await twoWorkers();
  const failed = expect(group.form(members, 20_000)).rejects.toThrow(/Lost rank 1 on busy .*test/);
  await idle.asked('form');
  group.exclude(members[1]!, 'the test says so');
  await failed;
});
