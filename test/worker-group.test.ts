/** How a generation forms: the coordinator's end over a real socket, and workers that say what a test has them say. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { WorkerGroup } from '../src/coordinator/worker-group.js';
import type { CoordinatorMessage, WorkerMessage } from '../src/shared/protocol/messages.js';
import { coordinatorMessageSchema } from '../src/shared/protocol/messages.js';
import { newKeyPair } from '../src/shared/security/join.js';
import { decode, encode } from '../src/shared/transport/wire.js';
import { dealerTo, registration } from './strangers.js';

const heartbeatMs = 1_000;
let group: WorkerGroup;
let ends: (() => void)[];
let said: string[];
const key = newKeyPair();
const protection = { encrypted: false, token: newKeyPair() };

beforeEach(async () => {
  ends = [];
  said = [];
  group = await WorkerGroup.bind({
    ...{ bind: 'tcp://127.0.0.1:*', protection, key, heartbeatMs },
    log: (line) => said.push(line),
    welcome: { config: {} as never, dataset: { digest: '', train: 1, test: 1 } },
    ...{ lost: () => {}, signalled: () => {}, samples: () => [] },
  });
});

afterEach(async () => {
  await group.close();
  for (const end of ends) end();
});

/** A worker that is registered and ready, and beats. */
async function worker(host: string) {
  const socket = dealerTo({ endpoint: group.endpoint, coordinatorKey: key.publicKey, ...protection });
  const say = (message: WorkerMessage) => socket.send([encode(message)]);
  await say({ ...registration, host });
  await say({ type: 'ready' });
  const beats = setInterval(() => void say({ type: 'beat', phase: 'idle', step: 0 }).catch(() => {}), 50);
  ends.push(() => {
    clearInterval(beats);
    socket.close();
  });
  /** Resolves when the coordinator asks for this. */
  const asked = async (type: CoordinatorMessage['type']) => {
    for await (const [head] of socket) {
      const message = decode(head!, coordinatorMessageSchema);
      if (message.type === type) return;
    }
  };
  return { say, asked };
}

async function twoWorkers() {
  const [idle, busy] = await Promise.all([worker('idle'), worker('busy')]);
  await group.waitFor(2, 10_000);
  const byHost = (host: string) => group.spares.find(({ registration }) => registration.host === host)!;
  return { idle, busy, members: [byHost('idle'), byHost('busy')] };
}

it('waits for one that is busy when another gives up on it, and says who was late', async () => {
  const { idle, busy, members } = await twoWorkers();
  let isOver = false;
  const forming = group.form(members, 20_000).finally(() => {
    isOver = true;
  });
  const failed = expect(forming).rejects.toThrow('rank 0 on idle: rank 1 is silent.');
  await idle.asked('form');
  await idle.say({ type: 'broken', generation: 1, message: 'rank 1 is silent.' });
  await expect.poll(() => said.join()).toContain('generation 1 does not form. rank 0 on idle');
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
