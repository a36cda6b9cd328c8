/** Five thousand messages to a run's sockets that it should not take, and what it comes to in spite of them. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Join, newKeyPair, readJoinFile } from '../src/shared/security/join.js';
import { encode } from '../src/shared/transport/wire.js';
import { seeded } from './allreduce-fixture.js';
import { Commands, committed, endpointOf, eventsOf, workerPids } from './lockstep-command.js';
import { resultOf, smallConfig, undisturbed } from './small-run.js';
import {
  bulkMessage,
  controlMessage,
  type Draw,
  dealerTo,
  httpRequest,
  knock,
  mutated,
  pushTo,
  randomBytes,
  registration,
} from './strangers.js';

const text = smallConfig({
  microBatches: 6,
  epochs: [6, 36],
  more: 'checkpoint: { everySteps: 20 }',
});
const workers = 2;

let commands: Commands;
let config: string;
let out: string;
const sockets: { close(): void }[] = [];
beforeEach(() => {
  commands = new Commands();
  config = join(commands.folder, 'config.yaml');
  out = join(commands.folder, 'run');
  writeFileSync(config, text);
});
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.close();
  commands.end();
});

const logOf = (name: string) => readFileSync(join(out, 'logs', `${name}.log`), 'utf8');

function start(...more: string[]) {
  const args = ['train', config, '--workers', `${workers}`, '--out', out, '--json'];
  return commands.start([...args, ...more]);
}

/** Where the workers' bulk sockets are. */
function bulkEndpoints(): string[] {
  return [...logOf('coordinator').matchAll(/registered: .* (tcp:\/\/[\d.:]+)/g)].map(([, found]) => found!);
}

/** Resident memory of a process, in MB. */
function residentMb(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1000;
}

async function flood(messages: number, draw: Draw): Promise<void> {
  const joined = readJoinFile(join(out, 'join.json'));
  const bulk = bulkEndpoints();
  const everywhere = [joined.endpoint, ...bulk];
  const dealers = [dealerTo(joined), dealerTo(joined)];
  const pushes = bulk.map((endpoint) => pushTo(endpoint, joined));
  sockets.push(...dealers, ...pushes);
  // One of the dealers is a worker that is known, and not ready.
  await dealers[0]!.send(encode(registration));
  const strangers: Promise<void>[] = [];
  for (let sent = 0; sent < messages; sent += 1) {
    const frames = Array.from({ length: draw(3) }, () => randomBytes(draw, draw(2000)));
    if (sent % 100 === 0) {
      strangers.push(stranger(everywhere[draw(everywhere.length)]!, joined, draw));
      await turn();
      continue;
    }
    switch (draw(16)) {
      case 0:
      case 1:
        await pushes[draw(pushes.length)]!.send([randomBytes(draw, draw(2000)), ...frames]);
        break;
      case 2:
      case 3:
        await dealers[draw(dealers.length)]!.send([randomBytes(draw, draw(2000)), ...frames]);
        break;
      case 4:
        // Longer than any header, and now and then than any frame.
        await pushes[draw(pushes.length)]!.send([Buffer.alloc(draw(50) === 0 ? 5 << 20 : 5_000), ...frames]);
        break;
      case 5:
        await dealers[draw(dealers.length)]!.send(mutated({ ...registration, version: '0.0.1' }, draw));
        break;
      default:
        if (draw(2) === 0)
          await dealers[draw(dealers.length)]!.send([mutated(controlMessage(draw), draw), ...frames]);
        else await pushes[draw(pushes.length)]!.send([mutated(bulkMessage(draw), draw), ...frames]);
    }
  }
  await Promise.all(strangers);
}

/** Who does not have the token, at any of the run's sockets. */
async function stranger(endpoint: string, joined: Join, draw: Draw): Promise<void> {
  switch (draw(5)) {
    case 0:
      await knock(endpoint, httpRequest);
      break;
    case 1:
      await knock(endpoint, randomBytes(draw, draw(200)));
      break;
    case 2:
      await knock(endpoint, '');
      break;
    default: {
      const token = newKeyPair();
      const socket =
        endpoint === joined.endpoint ? dealerTo(joined, token) : pushTo(endpoint, { ...joined, token });
      sockets.push(socket);
      // It never goes out: the handshake fails first.
      socket.send(mutated(controlMessage(draw), draw)).catch(() => {});
    }
  }
}

describe('a run that is sent what it should not take', () => {
  it('comes to the same bits, and grows by no more than 50 MB', async () => {
    const expected = await undisturbed(text);
    const { child, ended } = start();
    await endpointOf(out);
    await committed(out, 30);
    const pids = [child.pid!, ...workerPids(out)];
    const before = pids.map(residentMb);
    const random = seeded(1);
    const draw: Draw = (upTo) => Math.floor(random() * upTo);
    const early = ended.then(() => Promise.reject(new Error('The run ended before all was sent.')));
    await Promise.race([flood(5_000, draw), early]);
    const steps = (await eventsOf(out, 'step')).length;
    await committed(out, steps + 30);
    const growth = pids.map((pid, i) => residentMb(pid) - before[i]!);
    const { code, stdout, stderr } = await ended;
    expect(code, stderr).toBe(0);
    expect(await resultOf(out, stdout)).toEqual(expected);
    expect(Math.max(...growth), `growth in MB: ${growth}`).toBeLessThan(50);
    // Said once, and counted.
    const said = logOf('coordinator');
    expect(said.match(/A control message was dropped/g)).toHaveLength(1);
    expect(said.match(/A connection was refused/g)).toHaveLength(1);
    expect(Number(/(\d+) control messages were dropped/.exec(said)?.[1])).toBeGreaterThan(1000);
    expect(logOf('worker-0').match(/A message between workers was dropped/g)).toHaveLength(1);
    expect(Number(/dropped: (\d+) malformed/.exec(logOf('worker-0'))?.[1])).toBeGreaterThan(500);
  }, 400_000);
});
