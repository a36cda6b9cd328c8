import { beforeEach, describe, expect, it } from 'vitest';
import type { StageConfig } from '../shared/config/schema.js';
import type { Position, Timeline, TimelineStage } from '../shared/plan/timeline.js';
import type { StepEvent } from './metrics.js';
import { LineProgress, type ProgressStream } from './progress.js';
import { duration, figures, fitting, percent } from './progress-text.js';

/** Two stages of 2 epochs of 5 steps. */
const stages = ['pretrain', 'head'].map(
  (name, index): TimelineStage => ({
    index,
    learningRate: { decay: 'constant', peak: 0.1, warmupEpochs: 0, warmupStart: 0 },
    config: { name, objective: index === 0 ? 'npairs' : 'softmax' } as StageConfig,
    epochs: 2,
    firstStep: index * 10,
    firstEpoch: index * 2,
    stepsPerEpoch: 5,
    steps: 10,
    samplesPerEpoch: 160,
  }),
);
const timeline = { totalSteps: 20, globalBatch: 32 } as Timeline;

let time: number;
let written: string;
beforeEach(() => {
  time = 0;
  written = '';
});

function progressOn(stream: Omit<ProgressStream, 'write'>, env: NodeJS.ProcessEnv = { NO_COLOR: '1' }) {
  const write = (text: string) => {
    written += text;
  };
  return new LineProgress({ ...stream, write }, () => time, env);
}

/** Step `step` of the run, counted from 0, takes `ms`. */
function take(progress: LineProgress, step: number, ms: number, extra: Partial<StepEvent> = {}): void {
  time += ms;
  const stage = stages[Math.floor(step / 10)]!;
  const stepInStage = step % 10;
  const stepInEpoch = step % 5;
  const position: Position = {
    stage,
    epoch: Math.floor(stepInStage / 5),
    globalEpoch: Math.floor(step / 5),
    stepInEpoch,
    stepInStage,
    samples: stepInStage * 32,
    lastOfEpoch: stepInEpoch === 4,
    lastOfStage: stepInStage === 9,
  };
  const event: StepEvent = {
    type: 'step',
    stage: stage.config.name,
    epoch: position.epoch + 1,
    step: step + 1,
    samples: 32,
    loss: 2.3027,
    lr: 0.1,
    gradNorm: 1,
    imagesPerSec: 20.5,
    workers: 2,
    ms: { total: ms, input: 0, compute: ms, exposedComm: 0, commit: 0 },
    ...extra,
  };
  progress.step(event, position);
}

/** What a terminal shows in the end: each line as it was last rewritten. */
const screen = () =>
  written.split('\n').map((line) => line.slice(line.lastIndexOf('\x1b[2K') + 1).replace('[2K', ''));

describe('on a terminal', () => {
  it('one line is rewritten, with all that matters', () => {
    const progress = progressOn({ isTTY: true, columns: 120 });
    progress.begin('demo', timeline);
    progress.stage(stages[0]!);
    take(progress, 0, 9000);
    take(progress, 1, 1000, { accuracy: 0.125 });
    expect(screen()).toEqual([
      'demo: 20 steps of 32 images',
      'stage pretrain: npairs, 2 epochs of 5 steps',
      '██░░░░░░░░░░░░░░░░░░  pretrain 1/2  step 2/5  loss 2.303  acc 12.50 %  20.50 images/s  ETA 0:18',
    ]);
    progress.end();
    progress.end();
    expect(written.endsWith('ETA 0:18\n')).toBe(true);
  });

  it('is drawn ten times a second at most, and at the end of an epoch', () => {
    const progress = progressOn({ isTTY: true, columns: 120 });
    progress.begin('demo', timeline);
    for (let step = 0; step < 5; step++) take(progress, step, 30);
    expect(written.match(/step \d/g)).toEqual(['step 1', 'step 5']);
  });

  it('notes and evaluations stand above the line', () => {
    const progress = progressOn({ isTTY: true, columns: 120 });
    progress.begin('demo', timeline);
    take(progress, 0, 500);
    progress.note('worker 1 joined');
    progress.evaluation({ type: 'eval', stage: 'head', epoch: 1, step: 5, loss: 1.5, accuracy: 0.4321 });
    expect(screen().slice(1)).toEqual([
      'worker 1 joined',
      'head epoch 1: test loss 1.500, accuracy 43.21 %',
      expect.stringContaining('pretrain 1/2'),
    ]);
  });

  it('never wraps, however narrow', () => {
    for (const columns of [120, 80, 61, 60, 40, 20, 5, 1]) {
      written = '';
      const progress = progressOn({ isTTY: true, columns });
      progress.begin('demo', timeline);
      take(progress, 0, 500);
      take(progress, 1, 500);
      const line = screen().at(-1)!;
      expect(line.length).toBeLessThan(columns);
      expect(line.includes('█')).toBe(columns > 60);
    }
  });

  it('is coloured unless NO_COLOR says otherwise', () => {
    for (const [env, colored] of [
      [{}, true],
      [{ NO_COLOR: '' }, true],
      [{ NO_COLOR: '1' }, false],
    ] as const) {
      written = '';
      const progress = progressOn({ isTTY: true }, env);
      progress.begin('demo', timeline);
      take(progress, 0, 500);
      expect(written.includes('\x1b[32m')).toBe(colored);
    }
  });
});

describe('elsewhere', () => {
  it('plain lines come every five seconds, at the end of an epoch and at evaluations', () => {
    for (const stream of [{}, { isTTY: true }]) {
      written = '';
      time = 0;
      const progress = progressOn(stream, { TERM: 'dumb' });
      progress.begin('demo', timeline);
      progress.stage(stages[0]!);
      for (let step = 0; step < 5; step++) take(progress, step, 2000);
      progress.evaluation({
        type: 'eval',
        stage: 'pretrain',
        epoch: 1,
        step: 5,
        loss: Number.NaN,
        accuracy: 0.1,
      });
      progress.end();
      expect(written).toBe(
        [
          'demo: 20 steps of 32 images',
          'stage pretrain: npairs, 2 epochs of 5 steps',
          'pretrain 1/2  step 1/5  loss 2.303  20.50 images/s',
          'pretrain 1/2  step 4/5  loss 2.303  20.50 images/s  ETA 0:32',
          'pretrain 1/2  step 5/5  loss 2.303  20.50 images/s  ETA 0:30',
          'pretrain epoch 1: test loss NaN, accuracy 10.00 %',
          '',
        ].join('\n'),
      );
    }
  });

  it('come more rarely in a long run', () => {
    const progress = progressOn({});
    progress.begin('demo', timeline);
    time = 3_600_000;
    for (let step = 0; step < 4; step++) take(progress, step, 25_000);
    expect(written.match(/step \d/g)).toEqual(['step 1', 'step 4']);
  });

  it('a new stage has a pace of its own', () => {
    const progress = progressOn({});
    progress.begin('demo', timeline);
    for (let step = 0; step < 10; step++) take(progress, step, 10_000);
    progress.stage(stages[1]!);
    for (let step = 10; step < 13; step++) take(progress, step, 6000);
    expect(written.match(/ETA \S+/g)?.at(-1)).toBe('ETA 0:42');
  });
});

describe('text', () => {
  it('has figures, percent and durations that people read', () => {
    expect([2.3027, 0.0123456, 0, 123456.7, 1.23e-7, -3, Number.NaN].map(figures)).toEqual([
      '2.303',
      '0.01235',
      '0.000',
      '123457',
      '1.2e-7',
      '-3.000',
      'NaN',
    ]);
    expect([0.12345, 1, Number.NaN].map(percent)).toEqual(['12.35 %', '100.00 %', 'NaN']);
    expect([0, 41.6, 185, 7651, -1].map(duration)).toEqual(['0:00', '0:42', '3:05', '2:07:31', '0:00']);
    expect([
      fitting(['ab', 'cd'], 6),
      fitting(['ab', 'cd'], 5),
      fitting(['ab', 'cd'], 1),
      fitting([], 9),
    ]).toEqual(['ab  cd', 'ab', 'a', '']);
  });
});
