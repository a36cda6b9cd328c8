import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../shared/config/parse.js';
import { configFor, interleaved, type StudyPlan } from './plan.js';

const config = parseConfig(
  {
    name: 'planned',
    data: { dataset: 'sample' },
    model: { encoder: 'tiny', classifier: {}, projection: { widths: [8] } },
    batch: { microBatches: 4, microBatchSize: 16 },
    checkpoint: { everySteps: 1 },
    stages: [
      {
        ...{ name: 'pretrain', objective: 'supcon', epochs: 1, temperature: 0.1, optimizer: { kind: 'sgd' } },
        learningRate: { decay: 'constant', peak: 0.1 },
      },
      {
        ...{ name: 'head', objective: 'softmax', epochs: 1, optimizer: { kind: 'sgd' } },
        learningRate: { decay: 'constant', peak: 0.1 },
      },
    ],
  },
  'test',
);
const plan: StudyPlan = { config, mode: 'strong', workers: [1, 2], repeats: 2, warmup: 5, steps: 20 };

describe('the plan of a study', () => {
  it('begins each repeat with another number of workers', () => {
    expect(interleaved([1, 2, 4], 3).map(({ workers, repeat }) => `${repeat}:${workers}`)).toEqual([
      ...['0:1', '0:2', '0:4', '1:2', '1:4', '1:1', '2:4', '2:1', '2:2'],
    ]);
  });

  it('has the global batch of the config, or that of the config for each worker', () => {
    expect(configFor(plan, 2, 8000).batch).toEqual({ microBatches: 4, microBatchSize: 16 });
    expect(configFor({ ...plan, mode: 'weak' }, 2, 8000).batch).toEqual({
      microBatches: 8,
      microBatchSize: 16,
    });
  });

  it('trains the first stage alone, with nothing between its steps, and does not come to its end', () => {
    const { stages, model, checkpoint, evaluate } = configFor(plan, 2, 640);
    expect(stages.map(({ name, epochs }) => [name, epochs])).toEqual([['pretrain', 4]]);
    expect(model.classifier).toBeUndefined();
    expect(checkpoint.everySteps).toBeUndefined();
    expect(checkpoint.everyEpochs).toBeGreaterThan(4);
    expect(evaluate.everyEpochs).toBeGreaterThan(4);
  });

  it('refuses workers without a micro-batch, and data without a global batch', () => {
    expect(() => configFor(plan, 5, 8000)).toThrow(/5 workers can't share 4 micro-batches/);
    expect(() => configFor({ ...plan, mode: 'weak' }, 5, 300)).toThrow(/320 images, more than the 300/);
  });
});
