import { expect, test } from 'vitest';
import { parseConfig } from '../config/parse.js';
import { Timeline } from './timeline.js';

const training = {
  optimizer: { kind: 'adam' },
  learningRate: { decay: 'constant', peak: 0.001 },
};
const config = parseConfig(
  {
    name: 'two-stages',
    data: { dataset: 'sample' },
    model: { encoder: 'tiny', projection: { widths: [8] }, classifier: {} },
    batch: { microBatches: 4, microBatchSize: 8 },
    stages: [
      { name: 'pretrain', objective: 'npairs', temperature: 0.1, epochs: 3, ...training },
      { name: 'head', objective: 'softmax', freeze: 'encoder', epochs: 2, ...training },
    ],
  },
  'test',
);

test('steps, epochs and samples are numbered over all stages', () => {
  const timeline = new Timeline(config, 100);
  expect(timeline).toMatchObject({ globalBatch: 32, totalSteps: 15, totalEpochs: 5 });
  expect(timeline.stages[1]).toMatchObject({ firstStep: 9, firstEpoch: 3, steps: 6, samplesPerEpoch: 96 });
  const walk = Array.from({ length: 15 }, (_, step) => timeline.position(step));
  expect(walk.map(({ stage }) => stage.index).join('')).toBe('000000000111111');
  expect(walk.map(({ epoch }) => epoch).join('')).toBe('000111222000111');
  expect(walk.map(({ globalEpoch }) => globalEpoch).join('')).toBe('000111222333444');
  expect(walk.map(({ stepInEpoch }) => stepInEpoch).join('')).toBe('012012012012012');
  expect(walk.map(({ lastOfEpoch }) => Number(lastOfEpoch)).join('')).toBe('001001001001001');
  expect(walk.map(({ lastOfStage }) => Number(lastOfStage)).join('')).toBe('000000001000001');
  expect(walk.map(({ samples }) => samples).slice(7, 11)).toEqual([224, 256, 0, 32]);
});

test('a step outside the run is refused, and a data set below one batch is a config error', () => {
  const timeline = new Timeline(config, 100);
  for (const step of [-1, 15, 0.5]) expect(() => timeline.position(step)).toThrow(RangeError);
  expect(() => new Timeline(config, 31)).toThrow(expect.objectContaining({ code: 'CONFIG' }));
});
