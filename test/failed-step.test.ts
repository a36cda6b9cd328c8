/** A contrastive step that fails where a worker has one micro-batch: its run ends, and leaves nothing to the next one. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { parseConfig } from '../src/shared/config/parse.js';
import { imageShape } from '../src/shared/model/model.js';
import { hash32 } from '../src/shared/random/keyed.js';
import { Reducer } from '../src/worker/exchange/reducer.js';
import type { MicroBatch } from '../src/worker/micro-batch.js';
import { gradientsOf, leavingAt, type Worker, Workers } from './distributed.js';

const m = 4;

/** Workers of a run with K micro-batches. */
function workersOf(K: number): Workers {
  const config = parseConfig(
    {
      name: 'failed-step',
      data: { dataset: 'sample' },
      model: { encoder: 'tiny', projection: { widths: [16] } },
      batch: { microBatches: K, microBatchSize: m },
      stages: [
        {
          name: 'pretrain',
          objective: 'npairs',
          temperature: 0.2,
          epochs: 1,
          optimizer: { kind: 'sgd' },
          learningRate: { decay: 'constant', peak: 0.1 },
        },
      ],
    },
    'test',
  );
  const [height, width, channels] = imageShape;
  const batches = Array.from({ length: K }, (_, k): MicroBatch => {
    const pixel = (_: unknown, i: number) => hash32(7, 'pixel', k, i) & 255;
    return {
      images: Uint8Array.from({ length: m * height * width * channels }, pixel),
      labels: Int32Array.from({ length: m }, (_, i) => (i * (k + 1)) % 3),
      dropoutSeed: Int32Array.of(0, 0),
    };
  });
  const workers = new Workers(config, batches);
  ends.push(() => workers.end());
  return workers;
}

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
  vi.restoreAllMocks();
});

/** Twice: a value left in the stream would shift all that come after it. */
async function expectTwice(workers: Workers, worker: Worker, expected: unknown): Promise<void> {
  for (const _ of [1, 2]) expect(gradientsOf(worker, await workers.step(worker))).toEqual(expected);
}

describe('a contrastive step, one micro-batch a worker,', () => {
  it.each([['embeddings'], ['labels']])(
    'whose peer is lost at its %s, is done again by who is left',
    async (what) => {
      const [expected] = await workersOf(2).gradients(1);
      const workers = workersOf(2);
      const [survivor, lost] = await workers.start(2);
      await workers.connect([survivor!, lost!]);
      await Promise.all([
        expect(workers.step(survivor!)).rejects.toThrow(/rank 1/),
        expect(workers.step(leavingAt(what, lost!))).rejects.toThrow('closed its links'),
      ]);
      await workers.connect([survivor!], 2);
      await expectTwice(workers, survivor!, expected!.gradients);
    },
  );

  it.each([0, 1, 2, 3])(
    'whose contribution %i fails, fails with its reason',
    { timeout: 20_000 },
    async (which) => {
      const [expected] = await workersOf(1).gradients(1);
      const workers = workersOf(1);
      const [worker] = await workers.start(1);
      await workers.connect([worker!]);
      const contribute = Reducer.prototype.contribute;
      let calls = 0;
      const spy = vi.spyOn(Reducer.prototype, 'contribute').mockImplementation(function (
        this: Reducer,
        ...given
      ) {
        if (calls++ === which) throw new RangeError('no memory is left');
        contribute.apply(this, given);
      });
      await expect(workers.step(worker!)).rejects.toThrow('no memory is left');
      spy.mockRestore();
      await workers.connect([worker!], 2);
      await expectTwice(workers, worker!, expected!.gradients);
    },
  );
});
