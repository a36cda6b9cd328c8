import { expect, it } from 'vitest';
import type { MetricsEvent } from '../metrics.js';
import { estimatedTimes } from './times.js';

const step = (number: number): MetricsEvent => ({
  type: 'step',
  stage: 's',
  epoch: 1,
  step: number,
  samples: number,
  loss: 1,
  lr: 0.1,
  gradNorm: 1,
  imagesPerSec: 1,
  workers: 1,
  ms: { total: 500, input: 0, compute: 500, exposedComm: 0, commit: 0 },
});
const evaluation = (number: number): MetricsEvent => ({
  type: 'eval',
  stage: 's',
  epoch: 1,
  step: number,
  loss: 1,
  accuracy: 0.5,
});

const rest = { commandLine: [], topology: {}, versions: {} };
const start = Date.parse('2026-11-24T10:00:00Z') / 1000;

it('a step ends when all before it have taken their time since the start that it belongs to', () => {
  const run = {
    startedAt: '2026-11-24T10:00:00.000Z',
    resumed: [
      // Its steps were done again by the next one, all but the first.
      { ...rest, startedAt: '2026-11-24T11:00:00.000Z', fromStep: 2 },
      { ...rest, startedAt: '2026-11-24T12:00:00.000Z', fromStep: 3 },
    ],
  };
  const events = [step(1), step(2), evaluation(2), step(3), step(4), step(5), evaluation(5)];
  expect(estimatedTimes(run, events).map((time) => time - start)).toEqual([
    0.5, 1, 1, 3600.5, 7200.5, 7201, 7201,
  ]);
  expect(estimatedTimes(run, [])).toEqual([]);
});
