/** The mesh between workers over real sockets, with both ways that payloads take. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it, type TestContext } from 'vitest';
import { Push } from 'zeromq';
import type { Peer } from '../src/shared/protocol/messages.js';
import { newKeyPair } from '../src/shared/security/join.js';
import { clientOptions, type Protection } from '../src/shared/security/socket-options.js';
import type { BulkMessage } from '../src/shared/transport/inbox.js';
import { machineIdentity } from '../src/shared/transport/machine.js';
import { type ConnectOptions, Mesh, type MeshOptions } from '../src/shared/transport/mesh.js';
import { Region } from '../src/shared/transport/region.js';
import { encode } from '../src/shared/transport/wire.js';
import { Gather } from '../src/worker/exchange/gather.js';
import { Reducer, sentBytes, sumBytes } from '../src/worker/exchange/reducer.js';

let folder: string;
let meshes: Mesh[];

beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'lockstep-transport-'));
  process.env.LOCKSTEP_SHM_DIR = folder;
  meshes = [];
  protection = { encrypted: false, token };
});

afterEach(async () => {
  await Promise.all(meshes.map((mesh) => mesh.close()));
  delete process.env.LOCKSTEP_SHM_DIR;
  fs.rmSync(folder, { recursive: true, force: true });
});

const token = newKeyPair();
let protection: Protection;
const ticket = 'of these members';

async function bind(options: Partial<MeshOptions> = {}): Promise<Mesh> {
  const mesh = await Mesh.bind({ protection, ...options });
  meshes.push(mesh);
  return mesh;
}

function peersOf(members: readonly Mesh[], machine: string): Peer[] {
  return members.map(({ endpoint }, rank) => ({ rank, endpoint, host: `host${rank}`, machine }));
}

async function connect(
  members: readonly Mesh[],
  machine: string,
  options: Partial<ConnectOptions> = {},
  generation = 1,
) {
  const peers = peersOf(members, machine);
  await Promise.all(
    members.map((mesh, rank) =>
      mesh.connect({ generation, rank, ticket, peers }, { stepBytes: 1 << 20, ...options }),
    ),
  );
}

/** The next message of a step. */
function next(mesh: Mesh, step: number): Promise<BulkMessage> {
  return new Promise((resolve, reject) => {
    const stop = mesh.listen(step, ['contribution'], {
      message: (message) => {
        setImmediate(() => stop());
        resolve(message);
      },
      failed: reject,
    });
  });
}

function post(mesh: Mesh, to: number, step: number, values: Float32Array): void {
  mesh.send(to, { kind: 'contribution', step, bucket: 0, node: [0, 1], start: 0 }, mesh.place(values));
}

/** Reduces one small bucket, in the memory for sums where there is one. */
async function expectSums(members: readonly Mesh[]): Promise<void> {
  const reduced = members.map(async (mesh, rank) => {
    mesh.begin(0);
    const given = Float32Array.of(rank, 1);
    const output = mesh.sums([2])?.[0] ?? given;
    const microBatches = members.length;
    const reducer = new Reducer({
      exchange: mesh,
      step: 0,
      microBatches,
      buckets: [2],
      output: () => output,
    });
    reducer.contribute(0, { lo: rank, hi: rank + 1 }, given);
    return [...(await reducer.result(0))];
  });
  const { length } = members;
  const ranks = (length * (length - 1)) / 2;
  for (const sum of await Promise.all(reduced)) expect(sum).toEqual([ranks, length]);
}

/** With 256 KB of memory to share. */
async function withSmallMemory(
  context: TestContext,
  check: (folder: string) => Promise<void>,
): Promise<void> {
  if (process.getuid?.() !== 0) context.skip('mounting a small tmpfs takes root');
  const small = path.join(folder, 'small');
  fs.mkdirSync(small);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', small], { stdio: 'ignore' });
  } catch {
    context.skip('no tmpfs can be mounted here');
  }
  try {
    process.env.LOCKSTEP_SHM_DIR = small;
    await check(small);
  } finally {
    execFileSync('umount', ['-l', small]);
  }
}

/** One that has the token, and is no peer. */
function stranger(mesh: Mesh): Push {
  const socket = new Push({ ...clientOptions(protection, token.publicKey), linger: 0 });
  socket.connect(mesh.endpoint);
  return socket;
}

const paths = [
  { name: 'frames', way: 'frames', encrypted: false, machine: () => '' },
  { name: 'encrypted frames', way: 'frames', encrypted: true, machine: () => '' },
  { name: 'shared memory', way: 'shared memory', encrypted: false, machine: machineIdentity },
] as const;

describe.each(paths)('a mesh with payloads in $name', ({ way, encrypted, machine }) => {
  beforeEach(() => {
    protection = { encrypted, token };
  });

  it.each([1, 2, 3])('connects %d workers, each with each, and leaves no file', async (worldSize) => {
    const members = await Promise.all(Array.from({ length: worldSize }, () => bind()));
    await connect(members, machine());
    for (const mesh of members) {
      expect(mesh.worldSize).toBe(worldSize);
      for (let rank = 0; rank < worldSize; rank += 1) {
        expect(mesh.pathTo(rank)).toBe(rank === mesh.rank ? undefined : way);
      }
    }
    expect(fs.readdirSync(folder)).toEqual([]);
  });

  // 2,500,000 floats are 10 MB: three frames. 7 floats are a frame that ZeroMQ copies.
  it.each([0, 1, 7, 100_000, 2_500_000])('carries %d floats', async (length) => {
    const members = [await bind(), await bind()];
    await connect(members, machine(), { stepBytes: 16 << 20 });
    const values = Float32Array.from({ length }, (_, i) => i * 0.5);
    post(members[0]!, 1, 0, values);
    const { header, payload } = await next(members[1]!, 0);
    expect(header).toMatchObject({ from: 0, step: 0, length });
    expect(Buffer.from(payload.slice().buffer).equals(Buffer.from(values.buffer))).toBe(true);
  });

  it('keeps messages of a step that has not begun here, and drops those of one that is over', async () => {
    const members = [await bind(), await bind()];
    await connect(members, machine());
    post(members[0]!, 1, 5, Float32Array.of(5));
    post(members[0]!, 1, 6, Float32Array.of(6));
    // The same socket delivers in order: when 6 is there, 5 is too.
    expect((await next(members[1]!, 6)).payload[0]).toBe(6);
    members[1]!.begin(6);
    expect(members[1]!.dropped.step).toBe(1);
  });

  it('reuses its memory in every step', async () => {
    const warnings: string[] = [];
    const members = [await bind({ warn: (text) => warnings.push(text) }), await bind()];
    await connect(members, machine(), { stepBytes: 4096 });
    for (let step = 0; step < 5; step += 1) {
      for (const mesh of members) mesh.begin(step);
      post(members[0]!, 1, step, new Float32Array(1000).fill(step));
      expect((await next(members[1]!, step)).payload[999]).toBe(step);
    }
    expect(warnings).toEqual([]);
    // What does not fit is sent all the same.
    post(members[0]!, 1, 5, new Float32Array(1000).fill(5));
    post(members[0]!, 1, 6, new Float32Array(1000).fill(6));
    expect((await next(members[1]!, 6)).payload[999]).toBe(6);
    expect(warnings).toEqual([expect.stringMatching(/sends more than was announced/)]);
  });

  it('forms a new generation with other members, and drops what comes from the old one', async () => {
    const members = [await bind(), await bind(), await bind()];
    await connect(members, machine());
    const left = members.slice(0, 2);
    const waiting = next(members[0]!, 0);
    const failed = expect(waiting).rejects.toThrow('Generation 2 begins.');
    await connect(left, machine(), {}, 2);
    await failed;
    expect(members[0]!.worldSize).toBe(2);
    // The third worker has not been told; its link to the others still stands.
    post(members[2]!, 0, 0, Float32Array.of(7));
    // And something that a member sent before it was told.
    const late = stranger(left[0]!);
    const part = {
      kind: 'contribution',
      step: 0,
      bucket: 0,
      node: [0, 1],
      start: 0,
      length: 1,
      type: 'float32',
    };
    const message = { kind: 'bulk', generation: 1, ticket, from: 1, parts: [part] };
    await late.send([encode(message), Buffer.alloc(4)]);
    await expect.poll(() => left[0]!.dropped.generation).toBe(2);
    late.close();
    post(left[1]!, 0, 0, Float32Array.of(8));
    expect((await next(left[0]!, 0)).payload[0]).toBe(8);
    expect(fs.readdirSync(folder)).toEqual([]);
  });

  it('connects when one is told much earlier than the other', async () => {
    const members = [await bind(), await bind()];
    const peers = peersOf(members, machine());
    const first = members[0]!.connect({ generation: 4, rank: 0, ticket, peers }, { stepBytes: 1000 });
    // The hello of rank 0 has reached rank 1 when a message that follows it on the same way is counted.
    const probe = stranger(members[1]!);
    await probe.send([encode({ kind: 'welcome', generation: 3, ticket, from: 0, mapped: false })]);
    await expect.poll(() => members[1]!.dropped.generation).toBe(1);
    probe.close();
    await Promise.all([
      first,
      members[1]!.connect({ generation: 4, rank: 1, ticket, peers }, { stepBytes: 1000 }),
    ]);
  });

  it('names who is missing when not all connect', async () => {
    const members = [await bind(), await bind(), await bind()];
    const peers = peersOf(members, machine());
    const results = await Promise.allSettled(
      [0, 1].map((rank) =>
        members[rank]!.connect({ generation: 1, rank, ticket, peers }, { stepBytes: 100, deadlineMs: 300 }),
      ),
    );
    for (const result of results) {
      expect(result).toMatchObject({
        status: 'rejected',
        reason: {
          code: 'WORKER_LOST',
          message: expect.stringMatching(/^No link after 0.3 s: rank 2 on host2 .* is silent\.$/),
        },
      });
    }
    expect(fs.readdirSync(folder)).toEqual([]);
  });

  it('fails at once who waits for a peer that goes away, and names it', async () => {
    const lost: number[] = [];
    const members = [await bind({ lost: (rank) => lost.push(rank) }), await bind()];
    await connect(members, machine());
    const options = { step: 0, microBatches: 2 };
    const reducer = new Reducer({
      ...options,
      exchange: members[0]!,
      buckets: [64],
      output: () => new Float32Array(64),
    });
    const gather = new Gather({ ...options, exchange: members[0]! });
    reducer.contribute(0, { lo: 0, hi: 1 }, new Float32Array(64));
    const began = performance.now();
    const failures = [reducer.result(0), gather.gather('rows', 0, Float32Array.of(1))].map((waiting) =>
      expect(waiting).rejects.toMatchObject({
        code: 'WORKER_LOST',
        message: 'The link to rank 1 on host1 broke.',
      }),
    );
    await members[1]!.close();
    await Promise.all(failures);
    expect(performance.now() - began).toBeLessThan(5_000);
    expect(lost).toEqual([1]);
    // And who begins to wait afterwards.
    await expect(new Gather({ ...options, exchange: members[0]! }).result('rows')).rejects.toThrow(
      'rank 1 on host1',
    );
  });

  it('drops what is malformed, says so, and goes on', async () => {
    const warnings: string[] = [];
    const members = [await bind(), await bind({ warn: (text) => warnings.push(text) })];
    await connect(members, machine());
    const forger = stranger(members[1]!);
    const part = {
      kind: 'result',
      step: 0,
      bucket: 0,
      node: [0, 2],
      start: 0,
      length: 4,
      type: 'float32',
    };
    const message = { kind: 'bulk', generation: 1, ticket, from: 0, parts: [part] };
    const placed = (memory: string, offset: number) =>
      encode({ ...message, parts: [{ ...part, at: { memory, offset } }] });
    await forger.send([Buffer.from('nonsense')]);
    await forger.send([Buffer.alloc(300_000), Buffer.alloc(10)]);
    await forger.send([encode(message), Buffer.alloc(12)]);
    await forger.send([encode({ ...message, parts: [part, part] }), Buffer.alloc(16)]);
    await forger.send([placed('sender', 1 << 30)]);
    await forger.send([placed('sums', 0)]);
    await forger.send([encode({ ...message, from: 9 })]);
    await forger.send([encode({ ...message, ticket: 'guessed' }), Buffer.alloc(16)]);
    await expect.poll(() => members[1]!.dropped).toEqual({ generation: 2, step: 0, malformed: 6 });
    expect(warnings).toEqual([expect.stringMatching(/is not msgpack. More of them are only counted/)]);
    forger.close();
    post(members[0]!, 1, 0, Float32Array.of(3));
    expect((await next(members[1]!, 0)).payload[0]).toBe(3);
  });

  it('reduces and gathers over many steps', async () => {
    const buckets = [10, 50_000, 300_000];
    const members = [await bind(), await bind(), await bind()];
    const plan = { worldSize: 3, microBatches: 3, buckets, gathered: [8] };
    const stepBytes = sentBytes({ ...plan, rank: 0 }) * 1.2;
    await connect(members, machine(), { stepBytes, sumBytes: sumBytes(buckets) });
    for (let step = 0; step < 4; step += 1) {
      const all = members.map(async (mesh, rank) => {
        mesh.begin(step);
        const exchange = mesh;
        const gather = new Gather({ exchange, step, microBatches: 3 });
        const rows = await gather.gather('rows', rank, new Float32Array(8).fill(rank + step));
        const sums = mesh.sums(buckets);
        expect(sums !== undefined).toBe(way === 'shared memory');
        const given = buckets.map((size) => Float32Array.from({ length: size }, (_, i) => i + rank));
        const reducer = new Reducer({
          exchange,
          step,
          microBatches: 3,
          buckets,
          // In the memory that the host has for it, in place of what was contributed, or in memory of its own.
          output: (bucket) => {
            if (step % 2 === 0 && sums !== undefined) return sums[bucket]!;
            return rank === 1 ? given[bucket]! : new Float32Array(buckets[bucket]!);
          },
          pieceFloats: 4096,
        });
        for (const [bucket, data] of given.entries()) {
          reducer.contribute(bucket, { lo: rank, hi: rank + 1 }, data);
        }
        const results = await Promise.all(buckets.map((_, bucket) => reducer.result(bucket)));
        gather.close();
        return { rows, results };
      });
      for (const { rows, results } of await Promise.all(all)) {
        expect([rows[0], rows[8], rows[23]]).toEqual([step, step + 1, step + 2]);
        for (const result of results) expect(result.every((value, i) => value === 3 * i + 3)).toBe(true);
      }
    }
  });
});

describe('a worker that has nothing to send', () => {
  it('shares memory with its host nevertheless', async () => {
    const members = [await bind(), await bind()];
    await connect(members, 'one', { stepBytes: 0, sumBytes: 1024 });
    expect([members[0]!.pathTo(1), members[1]!.pathTo(0)]).toEqual(['shared memory', 'shared memory']);
    expect(members[1]!.canSend(members[1]!.sums([10])![0]!)).toBe(true);
  });
});

describe('the memory for sums', () => {
  it('is one for the workers of a host, and none where a worker is alone on its host', async () => {
    const members = await Promise.all([0, 1, 2, 3, 4].map(() => bind()));
    const machines = ['one', 'other', 'one', 'other', 'third'];
    const peers = peersOf(members, '').map((peer, rank) => ({ ...peer, machine: machines[rank]! }));
    const options = { stepBytes: 4096, sumBytes: 4096 };
    await Promise.all(
      members.map((mesh, rank) => mesh.connect({ generation: 1, rank, ticket, peers }, options)),
    );
    expect(fs.readdirSync(folder)).toEqual([]);
    const sums = members.map((mesh) => mesh.sums([10, 100]));
    for (const [rank, parts] of sums.slice(0, 4).entries()) parts![1]![rank] = rank + 1;
    expect([...sums[0]![1]!.subarray(0, 4)]).toEqual([1, 0, 3, 0]);
    expect([...sums[2]![1]!.subarray(0, 4)]).toEqual([1, 0, 3, 0]);
    expect([...sums[1]![1]!.subarray(0, 4)]).toEqual([0, 2, 0, 4]);
    expect([...sums[3]![1]!.subarray(0, 4)]).toEqual([0, 2, 0, 4]);
    expect(sums[4]).toBeUndefined();
    expect(members[0]!.canSend(sums[0]![0]!)).toBe(true);
    expect(members[0]!.canSend(new Float32Array(1))).toBe(false);
    // More than was announced.
    expect(members[0]!.sums([10_000])).toBeUndefined();
    // Another generation has other memory.
    await connect([members[0]!, members[2]!], 'one', options, 2);
    expect(members[0]!.sums([10, 100])![1]![0]).toBe(0);
  });

  it('is left to those who can map it', async () => {
    const warnings: string[] = [];
    const members = [await bind(), await bind({ warn: (text) => warnings.push(text) })];
    const peers = peersOf(members, 'the same');
    const options = { stepBytes: 4096, sumBytes: 4096 };
    const first = members[0]!.connect({ generation: 1, rank: 0, ticket, peers }, options);
    await expect.poll(() => fs.readdirSync(folder).length).toBe(2);
    for (const file of fs.readdirSync(folder)) fs.rmSync(path.join(folder, file));
    await Promise.all([first, members[1]!.connect({ generation: 1, rank: 1, ticket, peers }, options)]);
    expect(members[0]!.pathTo(1)).toBe('frames');
    expect(members[1]!.sums([10])).toBeUndefined();
    expect(warnings).toEqual([expect.stringMatching(/ENOENT.* of rank 0 on host0 come over TCP instead/)]);
    await expectSums(members);
  });

  it('is not read by one who can map the others, but not it', async () => {
    const warn = () => {};
    const members = [await bind(), await bind(), await bind({ warn })];
    const peers = peersOf(members, 'the same');
    const join = (rank: number) =>
      members[rank]!.connect({ generation: 1, rank, ticket, peers }, { stepBytes: 4096, sumBytes: 4096 });
    const first = join(0);
    await expect.poll(() => fs.readdirSync(folder).length).toBe(2);
    const ofFirst = fs.readdirSync(folder);
    const second = join(1);
    await expect.poll(() => members[1]!.sums([10])).toBeDefined();
    for (const file of ofFirst) fs.rmSync(path.join(folder, file));
    await Promise.all([first, second, join(2)]);
    expect(members[2]!.sums([10])).toBeUndefined();
    expect(members[0]!.pathTo(1)).toBe('shared memory');
    expect([members[0]!.pathTo(2), members[1]!.pathTo(2)]).toEqual(['frames', 'frames']);
    await expectSums(members);
  });

  it("is each worker's own where there is no room for one", async (context) => {
    await withSmallMemory(context, async () => {
      const warnings: string[] = [];
      const members = [await bind({ warn: (text) => warnings.push(text) }), await bind()];
      await connect(members, machineIdentity(), { stepBytes: 4096, sumBytes: 1 << 20 });
      expect(members.map((mesh) => mesh.sums([10]))).toEqual([undefined, undefined]);
      expect(members[0]!.pathTo(1)).toBe('shared memory');
      expect(warnings).toEqual([expect.stringMatching(/No 2 MB of shared memory in .*small: ENOSPC/)]);
      await expectSums(members);
    });
  });
});

describe('shared memory that a killed process left', () => {
  it('goes with the next region, once it is old; what belongs to a living process stays', async () => {
    const left = fs.mkdtempSync(path.join(folder, 'left-'));
    const old = (pid: number | string) => {
      const file = path.join(left, `lockstep-${pid}-0123456789abcdef`);
      fs.writeFileSync(file, '');
      fs.utimesSync(file, 0, 0);
      return path.basename(file);
    };
    // No process has a number above the kernel's largest.
    old(2 ** 22 + 1);
    const living = old(process.pid);
    const fresh = `lockstep-${2 ** 22 + 2}-0123456789abcdef`;
    fs.writeFileSync(path.join(left, fresh), '');
    process.env.LOCKSTEP_SHM_DIR = left;
    try {
      const region = Region.create(4096);
      region.unlink();
      expect(fs.readdirSync(left).sort()).toEqual([living, fresh].sort());
    } finally {
      delete process.env.LOCKSTEP_SHM_DIR;
    }
  });
});

describe('shared memory that is not to be had', () => {
  it('falls back to frames when the file system is full, and says why', async (context) => {
    await withSmallMemory(context, async (small) => {
      const warnings: string[] = [];
      const warn = (text: string) => warnings.push(text);
      const members = [await bind({ warn }), await bind({ warn })];
      await connect(members, machineIdentity(), { stepBytes: 1 << 20 });
      expect(members[0]!.pathTo(1)).toBe('frames');
      expect(warnings[0]).toMatch(
        /No 2 MB of shared memory in .*small: ENOSPC\. .*--shm-size.* over TCP instead/,
      );
      post(members[0]!, 1, 0, Float32Array.of(1, 2, 3));
      expect([...(await next(members[1]!, 0)).payload]).toEqual([1, 2, 3]);
      expect(fs.readdirSync(small)).toEqual([]);
    });
  });

  it('falls back to frames where a region can not be opened', async () => {
    const warnings: string[] = [];
    const members = [await bind(), await bind({ warn: (text) => warnings.push(text) })];
    const peers = peersOf(members, 'the same');
    const first = members[0]!.connect({ generation: 1, rank: 0, ticket, peers }, { stepBytes: 4096 });
    await expect.poll(() => fs.readdirSync(folder).length).toBe(1);
    for (const file of fs.readdirSync(folder)) fs.rmSync(path.join(folder, file));
    await Promise.all([
      first,
      members[1]!.connect({ generation: 1, rank: 1, ticket, peers }, { stepBytes: 4096 }),
    ]);
    expect(members[0]!.pathTo(1)).toBe('frames');
    expect(members[1]!.pathTo(0)).toBe('shared memory');
    expect(warnings).toEqual([
      expect.stringMatching(/can't be used: ENOENT.* of rank 0 on host0 come over TCP instead/),
    ]);
  });
});
