/** What a step is fed with: the rows of a micro-batch in one view and in two. */
import { expect, test } from 'vitest';
import { parseConfig } from '../src/shared/config/parse.js';
import { imageBytes } from '../src/shared/data/cifar.js';
import type { Dataset, Split } from '../src/shared/data/dataset.js';
import { LocalSource } from '../src/shared/data/source.js';
import { Sampler } from '../src/shared/plan/sampler.js';
import { Timeline } from '../src/shared/plan/timeline.js';
import { hash32 } from '../src/shared/random/keyed.js';
import { Batches } from '../src/worker/batches.js';

const m = 3;
const seed = 5;
const split: Split = {
  count: 20,
  images: Uint8Array.from({ length: 20 * imageBytes }, (_, i) => hash32(1, 'pixel', i) & 255),
  labels: Uint8Array.from({ length: 20 }, (_, i) => i % 10),
};
const source = new LocalSource({ split: () => split } as unknown as Dataset);

function batchesWith(stage: Readonly<Record<string, unknown>>) {
  const config = parseConfig(
    {
      name: 'views',
      seed,
      data: { dataset: 'sample' },
      model: { encoder: 'tiny', projection: { widths: [4] } },
      batch: { microBatches: 2, microBatchSize: m },
      stages: [
        {
          ...{ name: 'a', epochs: 2, optimizer: { kind: 'sgd' }, temperature: 1 },
          learningRate: { decay: 'constant', peak: 1 },
          ...stage,
        },
      ],
    },
    'test',
  );
  const timeline = new Timeline(config, split.count);
  return { batches: new Batches(config, timeline, source, split.count), timeline, config };
}

test('two views are the one view and another, view after view, with the same labels', () => {
  const one = batchesWith({ objective: 'npairs' });
  const two = batchesWith({ objective: 'supcon', views: 2 });
  // Images are counted, not views.
  expect(two.timeline.totalSteps).toBe(one.timeline.totalSteps);
  expect(two.timeline.position(1).samples).toBe(2 * m);

  // The second epoch's first step.
  const step = 3;
  const { images, labels } = two.batches.take(step, 1);
  const single = one.batches.take(step, 1);
  expect(images.length).toBe(2 * m * imageBytes);
  expect(images.subarray(0, m * imageBytes)).toEqual(single.images);
  expect([...labels]).toEqual([...single.labels, ...single.labels]);

  const sampler = new Sampler({ seed, microBatches: 2, microBatchSize: m, datasetSize: split.count });
  const second = new Uint8Array(m * imageBytes);
  const { augment } = two.config.data;
  source.fill('train', sampler.microBatch(1, 0, 1), second, new Int32Array(m), {
    seed,
    epoch: 1,
    view: 1,
    augment,
  });
  expect(images.subarray(m * imageBytes)).toEqual(second);
  expect(second).not.toEqual(single.images);
});

test("SimCLR's objective has two views unless told otherwise", () => {
  expect(batchesWith({ objective: 'ntxent' }).batches.take(0, 0).labels).toHaveLength(2 * m);
});
