import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../shared/config/parse.js';
import type { StepEvent } from '../metrics.js';
import { RunHistory } from './run-state.js';

/** Two stages of 2 epochs; a global batch of 32. */
const config = parseConfig(
  {
    name: 'demo',
    data: { dataset: 'sample' },
    model: { encoder: 'tiny', projection: { widths: [8] }, classifier: {} },
    batch: { microBatches: 2, microBatchSize: 16 },
    stages: ['npairs', 'softmax'].map((objective, i) => ({
      name: ['pretrain', 'head'][i],
      objective,
      ...(objective === 'npairs' ? { temperature: 0.1 } : {}),
      epochs: 2,
      optimizer: { kind: 'sgd' },
      learningRate: { decay: 'constant', peak: 0.1 },
    })),
  },
  'the test',
);

/** Step `number` of a run with epochs of 5 steps, counted from 1. */
const step = (number: number, extra: Partial<StepEvent> = {}): StepEvent => {
  const inStage = (number - 1) % 10;
  const pretrains = number <= 10;
  return {
    type: 'step',
    stage: pretrains ? 'pretrain' : 'head',
    epoch: Math.floor(inStage / 5) + 1,
    step: number,
    samples: (inStage + 1) * 32,
    loss: number,
    lr: 0.1,
    gradNorm: 1,
    imagesPerSec: 32,
    workers: 2,
    ms: { total: 1000, input: 10, compute: 900, exposedComm: 60, commit: 30 },
    ...(pretrains ? { excess: number / 10 } : { accuracy: 0.5 }),
    ...extra,
  };
};
const steps = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => step(from + i));

describe('how a run stands', () => {
  it('is known before its first step', () => {
    expect(new RunHistory(config, 170).state).toMatchObject({
      step: 0,
      totalSteps: 20,
      stage: null,
      secondsLeft: null,
      workers: null,
      ms: null,
      stages: [
        { name: 'pretrain', objective: 'npairs', epoch: 0, epochs: 2, step: 0, steps: 10, loss: null },
        { name: 'head', objective: 'softmax' },
      ],
    });
  });

  it('has every stage, the curves of the present one, and means of the last steps', () => {
    const history = new RunHistory(config, 170);
    history.add(steps(1, 13), 0);
    const { state } = history;
    expect(state.step).toBe(13);
    expect(state.stage).toBe('head');
    expect(state.stages).toMatchObject([
      { epoch: 2, step: 10, steps: 10, loss: 10, excess: 1, accuracy: null },
      { epoch: 1, step: 3, steps: 10, loss: 13, excess: null, accuracy: 0.5 },
    ]);
    expect(state.recent).toEqual({ loss: [11, 12, 13], accuracy: [0.5, 0.5, 0.5], excess: [] });
    expect(state.ms).toEqual({ total: 1000, input: 10, compute: 900, exposedComm: 60, commit: 30 });
    expect(state.imagesPerSec).toBe(32);
    expect(state.secondsLeft).toBe(7);
  });

  it('counts what lies between steps while it is watched, not what was before', () => {
    const history = new RunHistory(config, 170);
    history.add(steps(1, 3), 0);
    expect(history.state.secondsLeft).toBe(17);
    // Two steps of one second and an evaluation in eight seconds.
    history.add(steps(4, 5), 8000);
    expect(history.state.secondsLeft).toBe((15 * (2 + 8)) / 4);
  });

  it('learns from the end of an epoch how many steps it has', () => {
    const history = new RunHistory(config, undefined);
    history.add(steps(1, 5), 0);
    expect(history.state).toMatchObject({ totalSteps: null, stepsPerEpoch: null, secondsLeft: null });
    expect(history.state.stages[0]).toMatchObject({ step: 5, steps: null });
    history.add(steps(6, 6), 0);
    expect(history.state).toMatchObject({ totalSteps: 20, stepsPerEpoch: 5, secondsLeft: 14 });
  });

  it('keeps the last evaluation, the best accuracy, and the latest generations', () => {
    const history = new RunHistory(config, 170);
    const evaluation = (at: number, accuracy: number) =>
      ({ type: 'eval', stage: 'head', epoch: 1, step: at, loss: 1, accuracy }) as const;
    const generation = (number: number, workers: number) =>
      ({
        type: 'generation',
        stage: 'head',
        epoch: 1,
        step: 12,
        generation: number,
        workers,
        reason: 'lost',
        seconds: 1,
      }) as const;
    history.add([...steps(1, 12), evaluation(11, 0.4), evaluation(12, 0.3)], 0);
    history.add(
      [2, 3, 4, 5].map((number) => generation(number, number - 1)),
      0,
    );
    const { state } = history;
    expect(state.evaluation).toEqual(evaluation(12, 0.3));
    expect(state.bestAccuracy).toBe(0.4);
    expect(state.generations.map(({ generation }) => generation)).toEqual([3, 4, 5]);
    expect(state.workers).toBe(4);
  });

  it('shows the last 400 steps of a long run', () => {
    const history = new RunHistory(config, 170);
    const long = Array.from({ length: 1500 }, (_, i) => step(1, { step: i + 1, loss: i }));
    history.add(long, 0);
    expect(history.state.recent.loss).toEqual(Array.from({ length: 400 }, (_, i) => 1100 + i));
  });
});
