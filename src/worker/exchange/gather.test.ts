import { describe, expect, it, vi } from 'vitest';
import { MemoryNetwork, seeded } from '../../../test/allreduce-fixture.js';
import { rangeOf } from '../../shared/plan/range.js';
import { Gather } from './gather.js';

const makeGathers = (network: MemoryNetwork, microBatches: number, deadlineMs = 60_000) =>
  network.exchanges.map((exchange) => new Gather({ exchange, step: 2, microBatches, deadlineMs }));

describe('Gather', () => {
  it.each([1, 2, 3, 4])('gives %d workers all rows in order of the micro-batch', async (worldSize) => {
    const microBatches = 7;
    const network = new MemoryNetwork(worldSize);
    const random = seeded(worldSize);
    const gathers = makeGathers(network, microBatches);
    const calls = gathers.flatMap((gather, rank) => {
      const { lo, hi } = rangeOf(rank, worldSize, microBatches);
      return Array.from({ length: hi - lo }, (_, i) => () => {
        const k = lo + i;
        const rows = Float32Array.of(k, k + 0.25, k + 0.5);
        gather.contribute('embeddings', k, rows);
        rows.fill(-1);
        gather.contribute('labels', k, Float32Array.of(100 + k));
        if (random() < 0.5) network.deliver(random);
      });
    });
    for (const call of calls.sort(() => random() - 0.5)) call();
    network.deliver(random);
    for (const gather of gathers) {
      const expected = Array.from({ length: microBatches }, (_, k) => [k, k + 0.25, k + 0.5]).flat();
      expect([...(await gather.result('embeddings'))]).toEqual(expected);
      expect([...(await gather.result('labels'))]).toEqual([100, 101, 102, 103, 104, 105, 106]);
      gather.close();
    }
  });

  it('sends one micro-batch and waits for all with gather()', async () => {
    const network = new MemoryNetwork(2);
    const results = makeGathers(network, 2).map((gather, k) => gather.gather('rows', k, Float32Array.of(k)));
    network.deliver(seeded(1));
    for (const rows of await Promise.all(results)) expect([...rows]).toEqual([0, 1]);
  });

  it('names who is missing', async () => {
    vi.useFakeTimers();
    try {
      const network = new MemoryNetwork(2);
      const [first] = makeGathers(network, 4, 3_000);
      for (const k of [0, 1]) first!.contribute('rows', k, Float32Array.of(k));
      const failure = expect(first!.result('rows')).rejects.toMatchObject({
        code: 'WORKER_LOST',
        message: "Phase gather, step 2, 'rows': rank 1 on host1 sent 0 of 2 micro-batches in 3 s.",
      });
      await vi.advanceTimersByTimeAsync(3_000);
      await failure;
    } finally {
      vi.useRealTimers();
    }
  });

  it('rejects when cancelled, whoever asks and whenever', async () => {
    const network = new MemoryNetwork(2);
    const [first] = makeGathers(network, 2);
    const result = first!.result('rows');
    first!.cancel(new Error('the run ends'));
    await expect(result).rejects.toThrow('the run ends');
    await expect(first!.result('others')).rejects.toThrow('the run ends');
  });

  it.each([
    ['of a micro-batch that is not the sender’s', [0, 1], 1],
    ['of another size', [1, 2], 2],
  ])('refuses rows %s', async (_, node, length) => {
    const network = new MemoryNetwork(2);
    const [first] = makeGathers(network, 2);
    first!.contribute('rows', 0, Float32Array.of(5));
    const header = {
      kind: 'embedding',
      generation: 1,
      step: 2,
      from: 1,
      bucket: 'rows',
      node,
      start: 0,
      length,
    };
    network.exchanges[0]!.inbox.deliver({ header: header as never, payload: new Float32Array(length) });
    await expect(first!.result('rows')).rejects.toMatchObject({ code: 'PROTOCOL' });
  });
});
