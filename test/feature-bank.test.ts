/** Kept features in the engine, and what is found out about them, against scikit-learn. */
import { afterEach, describe, expect, it } from 'vitest';
import { accuracyOf } from '../src/coordinator/evaluate/classification.js';
import { merge, vote } from '../src/coordinator/evaluate/knn.js';
import { linearProbe, type ProbedFeatures } from '../src/coordinator/evaluate/probe.js';
import { standardization } from '../src/coordinator/evaluate/standardize.js';
import { HostTensor } from '../src/shared/engine/host-tensor.js';
import { Session } from '../src/shared/engine/session.js';
import { FeatureBank } from '../src/worker/feature-bank.js';
import { fixture } from './evaluation-fixture.js';

const { train, test, classes, width, knn, probe } = fixture;
const count = train.labels.length;
const queries = Float32Array.from(test.features);
const testLabels = Uint8Array.from(test.labels);
/** 230 images in blocks of 40: the last one has 30. */
const batchSize = 20;
const batches = 2;
const blocks = 6;

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** Banks of so many workers, with their contiguous shares of the blocks. */
function banks(workers: number): FeatureBank[] {
  const session = new Session({ precision: 'float32', device: 'cpu' });
  ends.push(() => session.close());
  return Array.from({ length: workers }, (_, rank) => {
    const bank = new FeatureBank(session, batchSize, batches);
    ends.push(() => bank.free());
    const [lo, hi] = [rank, rank + 1].map((edge) => Math.floor((edge * blocks) / workers) * batches);
    for (let batch = lo!; batch < hi! && batch * batchSize < count; batch += 1) {
      const first = batch * batchSize;
      const real = Math.min(batchSize, count - first);
      // What pads a batch is garbage.
      const values = new Float32Array(batchSize * width).fill(77);
      values.set(train.features.slice(first * width, (first + real) * width));
      const features = HostTensor.from('float32', [batchSize, width], values);
      const labels = new Int32Array(batchSize).fill(3);
      labels.set(train.labels.slice(first, first + real));
      bank.add({ batch, labels, real, outputs: { features } });
      features.free();
    }
    return bank;
  });
}

async function nearest(workers: number) {
  const lists = await Promise.all(
    banks(workers).map(async (bank) => ({
      k: knn.k,
      ...(await bank.nearest(queries, testLabels.length, knn.k)),
    })),
  );
  return merge(lists, testLabels.length, knn.k);
}

/** As the coordinator asks workers, without the messages. */
function probed(workers: readonly FeatureBank[]): ProbedFeatures {
  const inOrder = async (ask: (bank: FeatureBank) => Promise<Float32Array[]>) =>
    (await Promise.all(workers.map(ask))).flat();
  return {
    images: count,
    standardization: async () =>
      standardization(
        (await inOrder((bank) => bank.moments())).map((values, block) => ({
          count: Math.min(batchSize * batches, count - block * batchSize * batches),
          means: values.subarray(0, width),
          deviations: values.subarray(width),
        })),
      ),
    loss: async (classifier, scaling) => {
      const sums = new Float64Array(1 + width * classes + classes);
      for (const values of await inOrder((bank) => bank.probe({ ...classifier, ...scaling }))) {
        for (const [i, value] of values.entries()) sums[i]! += value;
      }
      return { loss: sums[0]!, gradient: sums.subarray(1) };
    },
  };
}

describe('the nearest of kept features', () => {
  it("are scikit-learn's, and so are the votes", async () => {
    const found = await nearest(1);
    const images = test.labels.map((_, i) => [...found.images.subarray(i * knn.k, (i + 1) * knn.k)]);
    expect(images).toEqual(knn.images);
    const labels = Uint8Array.from(train.labels);
    expect([...vote(found, labels, classes, null)]).toEqual(knn.plain);
    expect([...vote(found, labels, classes, knn.temperature)]).toEqual(knn.weighted);
    // Weights make a difference here, or this would show nothing.
    expect(knn.plain).not.toEqual(knn.weighted);
  });

  it('have the same bits however many workers keep them, one of them nothing', async () => {
    const one = await nearest(1);
    for (const workers of [2, 3, 4, 7]) expect(await nearest(workers)).toEqual(one);
  });

  it('are all there are, when there are fewer than asked for', async () => {
    const [bank] = banks(1);
    const { similarities, images } = await bank!.nearest(queries, testLabels.length, 300);
    expect([...images.subarray(0, 300)].filter((image) => image >= 0).sort((a, b) => a - b)).toEqual(
      train.labels.map((_, i) => i),
    );
    expect(Math.max(...similarities.subarray(count, 300))).toBeLessThan(-2);
  });

  it('of rows that do not fit are refused', async () => {
    const [bank] = banks(1);
    await expect(bank!.nearest(queries, 3, 5)).rejects.toThrow('420 values came as 3 rows of 6 features');
  });
});

describe('the linear probe', () => {
  it("is scikit-learn's LogisticRegression on standardised features", async () => {
    const features = probed(banks(1));
    const { shift, scale } = await features.standardization();
    for (const [i, mean] of probe.mean.entries()) expect(shift[i]! / mean).toBeCloseTo(1, 6);
    for (const [i, factor] of probe.scale.entries()) expect(scale[i]).toBeCloseTo(factor, 6);
    const found = await linearProbe(features, { values: queries, width }, testLabels, classes);
    expect(found).toMatchObject({ l2: probe.l2, converged: true, trainImages: count });
    expect(found.objective).toBeCloseTo(probe.objective, 6);
    expect(found.accuracy).toBe(probe.accuracy);
    expect(found.loss).toBeCloseTo(probe.loss, 3);
  });

  it('has the gradient of its loss, by finite differences', async () => {
    const features = probed(banks(1));
    const scaling = await features.standardization();
    const weights = Float32Array.from(probe.weights, (weight) => weight / 3);
    const bias = Float32Array.from({ length: classes }, (_, c) => 0.1 * c - 0.4);
    const { gradient } = await features.loss({ weights, bias }, scaling);
    const at = async (i: number, h: number) => {
      const [w, b] = [weights.slice(), bias.slice()];
      if (i < w.length) w[i]! += h;
      else b[i - w.length]! += h;
      return (await features.loss({ weights: w, bias: b }, scaling)).loss;
    };
    for (const i of [0, 13, 27, 44, weights.length, weights.length + 9]) {
      const slope = ((await at(i, 0.01)) - (await at(i, -0.01))) / 0.02;
      expect(gradient[i]).toBeCloseTo(slope, 1);
      expect(Math.abs(gradient[i]! - slope)).toBeLessThan(2e-3 * Math.abs(slope) + 0.02);
    }
  });

  it('has the same bits however many workers keep the features', async () => {
    const one = await linearProbe(probed(banks(1)), { values: queries, width }, testLabels, classes);
    for (const workers of [2, 3, 4]) {
      const other = await linearProbe(
        probed(banks(workers)),
        { values: queries, width },
        testLabels,
        classes,
      );
      expect(other).toEqual(one);
    }
    expect(accuracyOf(testLabels, testLabels)).toBe(1);
  });
});
