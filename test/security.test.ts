/** Who may take part in a run, over real sockets between real processes. */
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Dealer } from 'zeromq';
import { newKeyPair, readJoinFile, writeJoinFile } from '../src/shared/security/join.js';
import { encode } from '../src/shared/transport/wire.js';
import { Commands, committed, endpointOf, eventsOf, workerPids } from './lockstep-command.js';
import { resultOf, smallConfig, undisturbed } from './small-run.js';
import { dealerTo, registration } from './strangers.js';

const text = smallConfig({
  microBatches: 4,
  epochs: [4, 12],
  // An unreachable worker is given up after so long.
  more: 'deadlines: { connectSeconds: 8 }',
});

let commands: Commands;
let config: string;
let out: string;
const sockets: Dealer[] = [];
const timers: NodeJS.Timeout[] = [];
beforeEach(() => {
  commands = new Commands();
  config = join(commands.folder, 'config.yaml');
  out = join(commands.folder, 'run');
  writeFileSync(config, text);
});
afterEach(() => {
  for (const timer of timers.splice(0)) clearInterval(timer);
  for (const socket of sockets.splice(0)) socket.close();
  commands.end();
});

const joinFile = () => join(out, 'join.json');

/** A coordinator that waits for workers that are started by hand. */
async function coordinator(workers: number, ...more: string[]) {
  const args = ['coordinator', config, '--workers', `${workers}`, '--bind', 'tcp://127.0.0.1:*'];
  const running = commands.start([...args, '--out', out, '--json', ...more]);
  await endpointOf(out);
  return running;
}

describe('a run that is encrypted', () => {
  it('comes to the same bits, and its secrets are in a file of its owner only', async () => {
    const expected = await undisturbed(text);
    const always = ['--set', 'exchange.encryption=always', '--set', 'exchange.sharedMemory=never'];
    const { ended } = await coordinator(2, ...always);
    const { encrypted, token } = readJoinFile(joinFile());
    expect(encrypted).toBe(true);
    expect(statSync(joinFile()).mode & 0o777).toBe(0o600);
    for (let i = 0; i < 2; i += 1) commands.start(['worker', '--join', joinFile()]);
    await committed(out, 1);
    for (const pid of workerPids(out)) {
      expect(readFileSync(`/proc/${pid}/cmdline`, 'utf8')).not.toContain(token.secretKey);
    }
    const { code, stdout, stderr } = await ended;
    expect(code, stderr).toBe(0);
    expect(await resultOf(out, stdout)).toEqual(expected);
    expect(existsSync(joinFile())).toBe(false);
  });
});

describe('launched workers', () => {
  it('have what they need to join from their environment, not from their command line', async () => {
    const { ended } = commands.start(['train', config, '--out', out, '--json']);
    await committed(out, 1);
    const [pid] = workerPids(out);
    const { token } = readJoinFile(joinFile());
    expect(readFileSync(`/proc/${pid}/cmdline`, 'utf8')).not.toContain(token.secretKey);
    expect(readFileSync(`/proc/${pid}/environ`, 'utf8')).toContain(token.secretKey);
    expect((await ended).code).toBe(0);
  });
});

describe('a worker', () => {
  it.each(['auto', 'always'])(
    'of another run is refused, and says so (encryption: %s)',
    async (encryption) => {
      await coordinator(1, '--set', `exchange.encryption=${encryption}`);
      const joined = readJoinFile(joinFile());
      const forged = join(commands.folder, 'forged.json');
      await writeJoinFile(forged, { ...joined, token: newKeyPair() });
      const { code, stderr } = await commands.start(['worker', '--join', forged]).ended;
      expect(code).toBe(1);
      expect(stderr).toMatch(
        /^lockstep: error: What listens at \S+ refuses this worker\. Is the join file of/,
      );
    },
  );

  it('does not talk to a coordinator that has another key', async () => {
    await coordinator(1, '--set', 'exchange.encryption=always');
    const joined = readJoinFile(joinFile());
    const forged = join(commands.folder, 'forged.json');
    await writeJoinFile(forged, { ...joined, coordinatorKey: newKeyPair().publicKey });
    const { code, stderr } = await commands.start(['worker', '--join', forged]).ended;
    expect(code).toBe(1);
    expect(stderr).toMatch(/What listens at \S+ refuses this worker/);
  });

  it('of a run that is not encrypted listens on loopback only', async () => {
    await coordinator(1);
    const args = ['worker', '--join', joinFile(), '--address', '0.0.0.0'];
    const { code, stderr } = await commands.start(args).ended;
    expect(code).toBe(2);
    expect(stderr).toMatch(/This run is not encrypted, so nothing of it may listen at 0\.0\.0\.0/);
  });

  it('needs to know which run', async () => {
    const { code, stderr } = await commands.start(['worker']).ended;
    expect(code).toBe(2);
    expect(stderr).toMatch(/A worker needs to know which run to join\. Give the join\.json/);
  });

  it('that nobody reaches costs a generation, not the run', async () => {
    const expected = await undisturbed(text);
    const { ended } = await coordinator(1);
    commands.start(['worker', '--join', joinFile()]);
    await committed(out, 1);
    const socket = dealerTo(readJoinFile(joinFile()));
    sockets.push(socket);
    await socket.send(encode(registration));
    await socket.send(encode({ type: 'ready' }));
    // It lives and says so: silence is not what gives it away.
    const beat = () => socket.send(encode({ type: 'beat', phase: 'connect', step: 0 })).catch(() => {});
    timers.push(setInterval(beat, 1000));
    const { code, stdout, stderr } = await ended;
    expect(code, stderr).toBe(0);
    expect(await resultOf(out, stdout)).toEqual(expected);
    const [formed] = await eventsOf(out, 'generation');
    expect(formed).toMatchObject({ generation: 3, workers: 1 });
    expect(formed!.reason).toMatch(/rank 1 on elsewhere/);
  });
});
