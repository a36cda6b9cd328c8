import { expect, test } from 'vitest';
import { readConfig } from '../shared/config/load.js';
import { describeScaledRates, scaledRates } from './scaled-rates.js';

const text = (scaling: string) => `
name: a
data: { dataset: sample }
model: { encoder: tiny, classifier: {} }
batch: { microBatches: 4, microBatchSize: 128 }
stages:
  - { name: train, objective: softmax, epochs: 2, optimizer: { kind: sgd },
      learningRate: { decay: cosine, peak: 0.1, warmupEpochs: 1${scaling} } }
`;

test('only stages that ask for it, and what they come to', () => {
  expect(scaledRates(readConfig(text(''), 'a'))).toEqual([]);
  const [scaled] = scaledRates(readConfig(text(', scaling: { rule: linear, baseBatch: 256 }'), 'a'));
  expect(scaled).toEqual({
    stage: 'train',
    rule: 'linear',
    globalBatch: 512,
    baseBatch: 256,
    factor: 2,
    peak: 0.2,
    warmupStart: 0,
    final: 0,
  });
  expect(describeScaledRates(scaled!)).toBe(
    'stage train: learning rate times 2 (linear rule, global batch 512 / 256): peak 0.2, warmupStart 0, final 0',
  );
});
