/** The all-reduce between real processes: what `lockstep bench allreduce` starts. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { joinVariable, newKeyPair } from '../src/shared/security/join.js';
import type { BenchReply, BenchRequest } from '../src/worker/exchange/bench-worker.js';
import { type Build, buildSources } from './transport-build.js';

let build: Build;
let folder: string;
const children: ChildProcess[] = [];

beforeAll(() => {
  build = buildSources(['cli/bench-allreduce.ts', 'worker/exchange/bench-worker.ts']);
});
afterAll(() => build?.remove());

beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'lockstep-allreduce-'));
  process.env.LOCKSTEP_SHM_DIR = folder;
});

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  delete process.env.LOCKSTEP_SHM_DIR;
  fs.rmSync(folder, { recursive: true, force: true });
});

async function reply(child: ChildProcess): Promise<BenchReply> {
  const [message] = await once(child, 'message', { signal: AbortSignal.timeout(30_000) });
  return message as BenchReply;
}

/** Processes whose links are proven. */
async function start(worldSize: number, shared: boolean, encrypted: boolean): Promise<ChildProcess[]> {
  const entry = path.join(build.folder, 'worker/exchange/bench-worker.js');
  const protection = { encrypted, token: newKeyPair() };
  const env = { ...process.env, [joinVariable]: JSON.stringify(protection) };
  const started = Array.from({ length: worldSize }, () => fork(entry, { execArgv: [], env }));
  children.push(...started);
  const bound = await Promise.all(started.map(reply));
  const peers = bound.map((message, rank) => {
    if (message.type !== 'bound') throw new Error(`${message.type} came`);
    return { rank, endpoint: message.endpoint, host: `host${rank}`, machine: shared ? message.machine : '' };
  });
  const ready = started.map(reply);
  for (const [rank, child] of started.entries()) {
    const setup = { rank, peers, buckets: [1_000, 300_000], type: 'float32' as const };
    child.send({ type: 'setup', setup } satisfies BenchRequest);
  }
  for (const message of await Promise.all(ready)) expect(message.type).toBe('ready');
  return started;
}

describe.each([
  { name: 'shared memory', shared: true, encrypted: false },
  { name: 'frames', shared: false, encrypted: false },
  { name: 'encrypted frames', shared: false, encrypted: true },
])('processes with payloads in $name', ({ shared, encrypted }) => {
  it('name a peer that is killed, within seconds, and leave no file', async () => {
    const [first, second, third] = await start(3, shared, encrypted);
    expect(fs.readdirSync(folder)).toEqual([]);
    const results = [reply(first!), reply(third!)];
    for (const child of [first, third]) child!.send({ type: 'go', step: 0 } satisfies BenchRequest);
    second!.kill('SIGKILL');
    const began = performance.now();
    for (const result of await Promise.all(results)) {
      expect(result).toEqual({ type: 'failed', message: 'The link to rank 1 on host1 broke.' });
    }
    expect(performance.now() - began).toBeLessThan(5_000);
    expect(fs.readdirSync(folder)).toEqual([]);
  });

  it('end by themselves and with exit code 0', async () => {
    const started = await start(2, shared, encrypted);
    const done = started.map(reply);
    for (const child of started) child.send({ type: 'go', step: 0 } satisfies BenchRequest);
    for (const message of await Promise.all(done)) expect(message.type).toBe('done');
    const exits = started.map((child) => once(child, 'exit', { signal: AbortSignal.timeout(10_000) }));
    for (const child of started) child.disconnect();
    for (const exit of await Promise.all(exits)) expect(exit).toEqual([0, null]);
  });
});

describe('lockstep bench allreduce', () => {
  it.each([
    ['shm', 'float32'],
    ['tcp', 'float32'],
    ['shm', 'bfloat16'],
    ['tcp', 'bfloat16'],
  ] as const)('measures and checks the sums over %s of %s', async (way, type) => {
    const module = await import(/* @vite-ignore */ path.join(build.folder, 'cli/bench-allreduce.js'));
    const { measureAllReduce } = module as typeof import('../src/cli/bench-allreduce.js');
    const times = await measureAllReduce({
      sizeMb: 6,
      bucketMb: 4,
      workers: 2,
      path: way,
      type,
      repeats: 3,
      encrypted: way === 'tcp',
    });
    expect(times).toMatchObject({ path: way, type, workers: 2, megabytes: 6, buckets: 2, repeats: 3 });
    expect(times.ms.min).toBeGreaterThan(0);
    expect(times.ms.median).toBeGreaterThanOrEqual(times.ms.min);
    expect(times.gigabytesPerSecond).toBeCloseTo(6 / times.ms.median, 1);
  });
});
