import { describe, expect, it, vi } from 'vitest';
import {
  bits,
  gradient,
  MemoryNetwork,
  seeded,
  upperHalves,
  widened,
} from '../../../test/allreduce-fixture.js';
import { reduceTree } from '../../../test/reduce-tree.js';
import { squaresBlock } from '../../shared/plan/buckets.js';
import { rangeOf } from '../../shared/plan/range.js';
import { coveringNodes, type Node, TreeAccumulator } from '../../shared/plan/tree.js';
import { setInto } from './add.js';
import { Reducer, sentBytes } from './reducer.js';

const plainAdd = (a: Float32Array, b: Float32Array) => a.map((value, i) => value + b[i]!);

/** A worker's partial sums: what its covering nodes are given. */
function nodesOf(
  lo: number,
  hi: number,
  leaves: readonly Float32Array[],
): { node: Node; data: Float32Array }[] {
  return coveringNodes(lo, hi, leaves.length).map((node) => {
    const sum = new TreeAccumulator<Float32Array>(leaves.length, plainAdd);
    for (let k = node.lo; k < node.hi; k += 1) sum.put({ lo: k, hi: k + 1 }, leaves[k]!);
    return { node, data: sum.entries()[0]!.value };
  });
}

function makeReducers(
  network: MemoryNetwork,
  buckets: readonly number[],
  microBatches: number,
  deadlineMs = 60_000,
) {
  return network.exchanges.map(
    (exchange) =>
      new Reducer({
        exchange,
        step: 3,
        microBatches,
        buckets,
        output: (bucket) => exchange.sums(buckets)?.[bucket] ?? new Float32Array(buckets[bucket]!),
        deadlineMs,
        pieceFloats: 64,
        block: 16,
      }),
  );
}

describe('Reducer', () => {
  const worlds = [1, 2, 3, 4].flatMap((worldSize) =>
    [4, 5, 6, 7, 8, 13].flatMap((microBatches) =>
      [1, 2, 3].map((perHost) => ({ worldSize, microBatches, perHost })),
    ),
  );
  it.each(worlds)(
    'gives $worldSize workers, $perHost a host, the bits of one tree over $microBatches micro-batches',
    async (world) => {
      const { worldSize, microBatches, perHost } = world;
      const random = seeded(worldSize * 100 + microBatches);
      // Smaller than a world, not a multiple of anything, several pieces a slice.
      const buckets = [3, 130, 1000];
      const leaves = buckets.map((size) =>
        Array.from({ length: microBatches }, () => gradient(size, random)),
      );
      const network = new MemoryNetwork(worldSize, perHost);
      const reducers = makeReducers(network, buckets, microBatches);
      const given: { data: Float32Array; before: Float32Array }[] = [];
      const calls = reducers.flatMap((reducer, rank) => {
        const { lo, hi } = rangeOf(rank, worldSize, microBatches);
        return buckets.flatMap((_, bucket) =>
          nodesOf(lo, hi, leaves[bucket]!).map(({ node, data }) => () => {
            given.push({ data, before: data.slice() });
            reducer.contribute(bucket, node, data);
          }),
        );
      });
      // Any order of contributing and arriving must give the same bits.
      for (const call of calls.sort(() => random() - 0.5)) {
        call();
        if (random() < 0.5) network.deliver(random);
      }
      network.deliver(random);
      for (const [bucket, ofBucket] of leaves.entries()) {
        const expected = bits(reduceTree(microBatches, (k) => ofBucket[k]!, plainAdd));
        for (const reducer of reducers) {
          expect(bits(await reducer.result(bucket)).equals(expected)).toBe(true);
        }
        // The squares, too, have the same bits on any number of workers.
        const sum = reduceTree(microBatches, (k) => ofBucket[k]!, plainAdd);
        const sums = new Float64Array(Math.ceil(sum.length / 16));
        setInto(sum, sum, { block: 16, sums });
        const squares = sums.reduce((total, square) => total + square, 0);
        expect(squares).toBeGreaterThan(0);
        for (const reducer of reducers) expect(reducer.squares(bucket)).toBe(squares);
      }
      for (const { data, before } of given) expect(bits(data).equals(bits(before))).toBe(true);
    },
  );

  it.each([
    [2, 1],
    [3, 1],
    [3, 3],
    [4, 2],
  ])(
    'gives %d workers, %d a host, the same bits from bfloat16, for fewer bytes',
    async (worldSize, perHost) => {
      const random = seeded(worldSize);
      const buckets = [3, 1000];
      // One micro-batch a worker, but for the last, whose sum of two is no bfloat16.
      const microBatches = worldSize + 1;
      const halves = buckets.map((size) =>
        Array.from({ length: microBatches }, () => upperHalves(gradient(size, random))),
      );
      const bytesOf = async (leafOf: (leaf: Uint16Array) => Uint16Array | Float32Array): Promise<number> => {
        const network = new MemoryNetwork(worldSize, perHost);
        const reducers = makeReducers(network, buckets, microBatches);
        for (const [rank, reducer] of reducers.entries()) {
          const { lo, hi } = rangeOf(rank, worldSize, microBatches);
          for (const [bucket, leaves] of halves.entries()) {
            const sums = nodesOf(lo, hi, leaves.map(widened));
            for (const { node, data } of sums)
              reducer.contribute(bucket, node, hi - lo === 1 ? leafOf(leaves[lo]!) : data);
          }
        }
        network.deliver(random);
        for (const [bucket, leaves] of halves.entries()) {
          const expected = bits(reduceTree(microBatches, (k) => widened(leaves[k]!), plainAdd));
          for (const reducer of reducers)
            expect(bits(await reducer.result(bucket)).equals(expected)).toBe(true);
        }
        return network.bytes;
      };
      expect(await bytesOf((leaf) => leaf)).toBeLessThan(0.9 * (await bytesOf(widened)));
    },
  );

  it.each([
    ['without its squares', new Float32Array(52), 'it brings 0 bytes of squares instead of 32'],
    ['of bfloat16', new Uint16Array(52), 'bfloat16 values came where float32 ones belong'],
  ])('refuses a result %s', async (_, values, message) => {
    const network = new MemoryNetwork(2);
    const [first] = makeReducers(network, [100], 2);
    const peer = network.exchanges[1]!;
    const memory = peer.place<Float32Array | Uint16Array>(values);
    peer.send(0, { kind: 'result', step: 3, bucket: 0, node: [0, 2], start: 48 }, memory);
    network.deliver(seeded(1));
    await expect(first!.result(0)).rejects.toMatchObject({
      code: 'PROTOCOL',
      message: expect.stringContaining(message),
    });
  });

  it('takes a bfloat16 sum over all micro-batches for what it is', async () => {
    const [reducer] = makeReducers(new MemoryNetwork(1), [100], 1);
    const halves = upperHalves(gradient(100, seeded(1)));
    reducer!.contribute(0, { lo: 0, hi: 1 }, halves);
    expect(bits(await reducer!.result(0)).equals(bits(widened(halves)))).toBe(true);
  });

  it('tells when our slice of a bucket is summed, and when all of it is back', async () => {
    const network = new MemoryNetwork(2);
    // Rank 0 has no slice of a bucket that is smaller than what slices are aligned to.
    const buckets = [3, 1000];
    const told: string[] = [];
    const reducers = network.exchanges.map(
      (exchange, rank) =>
        new Reducer({
          ...{ exchange, step: 3, microBatches: 2, buckets, pieceFloats: 64, block: 16 },
          output: (bucket) => new Float32Array(buckets[bucket]!),
          observer: {
            summed: (bucket) => told.push(`${rank}: ${bucket} summed`),
            back: (bucket) => told.push(`${rank}: ${bucket} back`),
          },
        }),
    );
    for (const [rank, reducer] of reducers.entries()) {
      const node = { lo: rank, hi: rank + 1 };
      for (const [bucket, size] of buckets.entries())
        reducer.contribute(bucket, node, new Float32Array(size));
    }
    expect(told).toEqual([]);
    network.deliver(seeded(1));
    await Promise.all(reducers.map((reducer) => reducer.result(1)));
    const of = (rank: number, bucket: number) => [
      ...new Set(told.filter((text) => text.startsWith(`${rank}: ${bucket} `))),
    ];
    expect(of(0, 0)).toEqual(['0: 0 back']);
    expect(of(1, 0)).toEqual(['1: 0 summed', '1: 0 back']);
    for (const rank of [0, 1]) {
      expect(new Set(of(rank, 1))).toEqual(new Set([`${rank}: 1 summed`, `${rank}: 1 back`]));
      expect(told.lastIndexOf(`${rank}: 1 back`)).toBeGreaterThan(told.lastIndexOf(`${rank}: 1 summed`));
      expect(told.filter((text) => text === `${rank}: 1 back`)).toHaveLength(1);
    }
  });

  it('moves 2(N-1)/N of the size for each worker, and no more than it announces', async () => {
    const buckets = [4 * squaresBlock, 8 * squaresBlock];
    const size = 12 * squaresBlock;
    const network = new MemoryNetwork(4);
    const reducers = makeReducers(network, buckets, 4);
    for (const [rank, reducer] of reducers.entries()) {
      for (const [bucket, length] of buckets.entries()) {
        reducer.contribute(bucket, { lo: rank, hi: rank + 1 }, new Float32Array(length));
      }
    }
    network.deliver(seeded(1));
    await Promise.all(reducers.map((reducer) => reducer.result(1)));
    expect(network.bytes).toBe(2 * 3 * size * 4);
    const announced = sentBytes({ rank: 0, worldSize: 4, microBatches: 4, buckets });
    // Its contributions to three slices of four; sums are sent from where they are written.
    expect(announced).toBeGreaterThanOrEqual(size * 3);
    expect(announced).toBeLessThan(size * 3 * 1.1);
  });

  it.each([
    ['holds contributions until as many are held as are still to come', 2, [0, 0, 3, 4, 5]],
    ['holds none where every one is a message of its own', 1, [1, 2, 3, 4, 5]],
  ])('%s', (_, perHost, expected) => {
    const network = new MemoryNetwork(2, perHost);
    const [first] = makeReducers(network, [100, 100, 100, 100, 100], 2);
    const sent = [0, 1, 2, 3, 4].map((bucket) => {
      first!.contribute(bucket, { lo: 0, hi: 1 }, new Float32Array(100));
      return network.bytes;
    });
    // Rank 1's slice: blocks of 16, 48 values for rank 0.
    expect(sent).toEqual(expected.map((buckets) => buckets * 52 * 4));
  });

  it('holds no more than 16 MiB of contributions', () => {
    const network = new MemoryNetwork(2, 2);
    const size = (4 << 20) / 2;
    const [first] = makeReducers(network, new Array(6).fill(size), 2);
    const data = new Float32Array(size);
    const sent = [0, 1].map((bucket) => {
      first!.contribute(bucket, { lo: 0, hi: 1 }, data);
      return network.bytes;
    });
    expect(sent).toEqual([0, size * 4]);
  });

  it('takes messages that came before it listened', async () => {
    const network = new MemoryNetwork(2);
    const options = { step: 9, microBatches: 2, buckets: [40], output: () => new Float32Array(40) };
    const early = new Reducer({ ...options, exchange: network.exchanges[1]! });
    early.contribute(0, { lo: 1, hi: 2 }, new Float32Array(40).fill(2));
    network.deliver(seeded(1));
    const late = new Reducer({ ...options, exchange: network.exchanges[0]! });
    late.contribute(0, { lo: 0, hi: 1 }, new Float32Array(40).fill(1));
    network.deliver(seeded(1));
    expect([...(await late.result(0)), ...(await early.result(0))]).toEqual(new Array(80).fill(3));
  });

  it('rejects all that waits when cancelled, and ignores what comes later', async () => {
    const network = new MemoryNetwork(2);
    const [first, second] = makeReducers(network, [100, 100], 2);
    const waiting = [first!.result(0), first!.result(1)];
    first!.cancel(new Error('rank 1 was lost'));
    for (const result of waiting) await expect(result).rejects.toThrow('rank 1 was lost');
    second!.contribute(0, { lo: 1, hi: 2 }, new Float32Array(100));
    first!.contribute(0, { lo: 0, hi: 1 }, new Float32Array(100));
    network.deliver(seeded(1));
    await expect(first!.result(0)).rejects.toThrow('rank 1 was lost');
    second!.cancel(new Error('end'));
  });

  it('names rank, host, step and phase when a contribution does not come', async () => {
    vi.useFakeTimers();
    try {
      const network = new MemoryNetwork(3);
      const reducers = makeReducers(network, [100], 3, 5_000);
      for (const rank of [0, 2])
        reducers[rank]!.contribute(0, { lo: rank, hi: rank + 1 }, new Float32Array(100));
      network.deliver(seeded(1));
      const result = reducers[0]!.result(0);
      const failure = expect(result).rejects.toMatchObject({
        code: 'WORKER_LOST',
        message: 'Phase reduce, step 3, bucket 0: rank 1 on host1 sent no contribution for 5 s.',
      });
      await vi.advanceTimersByTimeAsync(4_999);
      await vi.advanceTimersByTimeAsync(1);
      await failure;
    } finally {
      vi.useRealTimers();
    }
  });

  it('waits on while something comes', async () => {
    vi.useFakeTimers();
    try {
      const network = new MemoryNetwork(2);
      const reducers = makeReducers(network, [100, 100], 2, 5_000);
      const [first, second] = reducers;
      for (const bucket of [0, 1]) first!.contribute(bucket, { lo: 0, hi: 1 }, new Float32Array(100));
      const results = [first!.result(0), first!.result(1)];
      for (const bucket of [0, 1]) {
        await vi.advanceTimersByTimeAsync(4_000);
        second!.contribute(bucket, { lo: 1, hi: 2 }, new Float32Array(100));
        network.deliver(seeded(1));
      }
      await Promise.all(results);
      expect(vi.getTimerCount()).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });

  it.each([
    ['a bucket that is not there', { bucket: 7 }],
    ['a piece that is none of ours', { start: 1 }],
    ['a node that is not in the tree', { node: [0, 3] as [number, number] }],
    ['a contribution that was there', { node: [0, 1] as [number, number] }],
  ])('refuses %s', async (_, wrong) => {
    const network = new MemoryNetwork(2);
    const [first] = makeReducers(network, [100], 4);
    first!.contribute(0, { lo: 0, hi: 1 }, new Float32Array(100));
    const { start, length } = { start: 0, length: 48 };
    const header = { kind: 'contribution', step: 3, from: 1, bucket: 0, node: [2, 4], start, length };
    network.exchanges[0]!.inbox.deliver({
      header: { ...header, ...wrong } as never,
      payload: new Float32Array(length),
    });
    await expect(first!.result(0)).rejects.toMatchObject({
      code: 'PROTOCOL',
      message: expect.stringMatching(/rank 1 on host1 is wrong/),
    });
  });
});
