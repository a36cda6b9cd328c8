import { expect, it } from 'vitest';
import { parseConfig } from '../shared/config/parse.js';
import { Timeline } from '../shared/plan/timeline.js';
import type { MetricsEvent } from './metrics.js';
import { summarizeStages } from './stage-summaries.js';

const stage = (name: string, objective: 'softmax' | 'npairs') => ({
  name,
  objective,
  epochs: 2,
  optimizer: { kind: 'sgd' },
  learningRate: { decay: 'constant', peak: 0.1 },
  ...(objective === 'npairs' ? { temperature: 0.1 } : {}),
});
const { stages } = new Timeline(
  parseConfig(
    {
      name: 'x',
      data: { dataset: 'sample' },
      model: { encoder: 'tiny', classifier: {}, projection: { widths: [8] } },
      batch: { microBatches: 2, microBatchSize: 4 },
      stages: [stage('pretrain', 'npairs'), stage('head', 'softmax')],
    },
    'test',
  ),
  16,
);
const step = (name: string, epoch: number, loss: number): MetricsEvent => ({
  type: 'step',
  stage: name,
  epoch,
  step: 1,
  samples: 8,
  loss,
  lr: 0.1,
  gradNorm: 1,
  imagesPerSec: 1,
  workers: 1,
  ms: { total: 1, input: 0, compute: 1, exposedComm: 0, commit: 0 },
});

it("takes the last epoch's evaluation, else the mean of its losses", () => {
  const events: MetricsEvent[] = [
    step('pretrain', 1, 9),
    step('pretrain', 2, 4),
    step('pretrain', 2, 2),
    step('head', 2, 1),
    { type: 'eval', stage: 'head', epoch: 1, step: 7, loss: 5, accuracy: 0.1 },
    { type: 'eval', stage: 'head', epoch: 2, step: 8, loss: 0.5, accuracy: 0.75 },
  ];
  expect(summarizeStages(stages, events)).toEqual([
    { name: 'pretrain', objective: 'npairs', epochs: 2, loss: 3, accuracy: null },
    { name: 'head', objective: 'softmax', epochs: 2, loss: 0.5, accuracy: 0.75 },
  ]);
});
