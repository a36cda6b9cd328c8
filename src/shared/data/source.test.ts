/** A worker's samples are the same from its own copy and from the coordinator, and travel once. */
import { describe, expect, it } from 'vitest';
import { copyImage } from '../augment/crop.js';
import { augmentSchema } from '../config/augment.js';
import { imageBytes } from './cifar.js';
import type { Dataset, Split } from './dataset.js';
import { RemoteSource } from './remote-source.js';
import type { SampleSource } from './sample-source.js';
import { gather, LocalSource } from './source.js';

function split(count: number, salt: number): Split {
  const images = Uint8Array.from({ length: count * imageBytes }, (_, i) => (i * salt + (i >> 10)) % 256);
  return { count, images, labels: Uint8Array.from({ length: count }, (_, i) => (i * 3 + salt) % 10) };
}

const splits = { train: split(2500, 7), test: split(40, 11) };
const dataset = { split: (name) => splits[name] } as Dataset;
const augment = { seed: 5, epoch: 2, view: 0, augment: augmentSchema.parse({}) };

/** A remote source and the ids of each request. */
function remote() {
  const asked: number[][] = [];
  const source = new RemoteSource(async (name, ids) => {
    asked.push([...ids]);
    return gather(dataset, name, ids);
  });
  return { source, asked };
}

function batch(source: SampleSource, ids: Int32Array, how: typeof augment | null) {
  const images = new Uint8Array(ids.length * imageBytes).fill(1);
  const labels = new Int32Array(ids.length).fill(-1);
  source.fill('train', ids, images, labels, how);
  return { images, labels };
}

describe('samples', () => {
  it('come in the asked order, with their labels', () => {
    const ids = Int32Array.of(17, 0, 2499, 17);
    const { images, labels } = batch(new LocalSource(dataset), ids, null);
    for (const [i, id] of ids.entries()) {
      expect(images.subarray(i * imageBytes, (i + 1) * imageBytes)).toEqual(
        splits.train.images.subarray(id * imageBytes, (id + 1) * imageBytes),
      );
      expect(labels[i]).toBe(splits.train.labels[id]);
    }
  });

  it('are augmented by their id, not by their place in the batch', () => {
    const source = new LocalSource(dataset);
    const { images } = batch(source, Int32Array.of(4, 9), augment);
    const expected = new Uint8Array(imageBytes);
    copyImage(splits.train.images.subarray(9 * imageBytes, 10 * imageBytes), 9, 0, expected, augment);
    expect(images.subarray(imageBytes)).toEqual(expected);
    expect(batch(source, Int32Array.of(9), augment).images).toEqual(expected);
  });

  it('are the same bytes from the coordinator', async () => {
    const { source } = remote();
    const ids = Int32Array.from({ length: 2500 }, (_, i) => (i * 7) % 2500);
    await source.prepare('train', ids);
    for (const how of [null, augment]) {
      const there = batch(source, ids, how);
      const here = batch(new LocalSource(dataset), ids, how);
      expect(Buffer.compare(there.images, here.images)).toBe(0);
      expect(there.labels).toEqual(here.labels);
    }
  });

  it('travel once, in pieces, also when asked for twice at a time', async () => {
    const { source, asked } = remote();
    const ids = Int32Array.from({ length: 2500 }, (_, i) => i);
    await Promise.all([
      source.prepare('train', ids.subarray(0, 2000)),
      source.prepare('train', ids.subarray(1000)),
      source.prepare('test', Int32Array.of(3, 3, 4)),
    ]);
    expect(asked.map(({ length }) => length)).toEqual([1024, 976, 500, 2]);
    await source.prepare('train', ids);
    expect(asked).toHaveLength(4);
  });

  it('can be asked for again after a request that failed', async () => {
    let fail = true;
    const source = new RemoteSource(async (name, ids) => {
      if (fail) throw new Error('gone');
      return gather(dataset, name, ids);
    });
    await expect(source.prepare('train', Int32Array.of(1))).rejects.toThrow('gone');
    fail = false;
    await source.prepare('train', Int32Array.of(1));
    expect(batch(source, Int32Array.of(1), null).labels[0]).toBe(splits.train.labels[1]);
  });

  it('that are missing or do not exist are errors', async () => {
    const { source } = remote();
    expect(() => batch(source, Int32Array.of(8), null)).toThrow('Sample 8 of train');
    for (const id of [-1, 40, 1.5])
      expect(() => gather(dataset, 'test', [id])).toThrow(`no test sample ${id}`);
    expect(() => batch(new LocalSource(dataset), Int32Array.of(2500), null)).toThrow('no train sample 2500');
    const short = new RemoteSource(async (name) => gather(dataset, name, [0]));
    await expect(short.prepare('train', Int32Array.of(0, 1))).rejects.toThrow(
      '2 samples of train were asked',
    );
  });
});
