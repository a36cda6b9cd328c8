import { stripVTControlCharacters } from 'node:util';
import { describe, expect, it } from 'vitest';
import type { MetricsEvent, StepEvent } from '../metrics.js';
import { picture } from './picture.js';
import { viewOn } from './views.js';
import type { WatchedRun } from './watch.js';

const ms = { total: 500, input: 5, compute: 450, exposedComm: 25, commit: 20 };
const now = Date.parse('2026-11-24T10:00:12Z');

const training: WatchedRun = {
  run: 'runs/one',
  name: 'demo',
  state: 'training',
  updated: '2026-11-24T10:00:00.000Z',
  checkpoint: 10,
  summary: null,
  step: 13,
  totalSteps: 20,
  stepsPerEpoch: 5,
  stages: [
    {
      name: 'pretrain',
      objective: 'npairs',
      epoch: 2,
      epochs: 2,
      step: 10,
      steps: 10,
      loss: 3.5,
      accuracy: null,
      excess: 1.25,
    },
    {
      name: 'head',
      objective: 'softmax',
      epoch: 1,
      epochs: 2,
      step: 3,
      steps: 10,
      loss: 2.25,
      accuracy: 0.125,
      excess: null,
    },
  ],
  stage: 'head',
  secondsLeft: 83,
  workers: 2,
  imagesPerSec: 64.5,
  ms,
  recent: { loss: [2.5, 2.25], accuracy: [0.1, 0.125], excess: [] },
  evaluation: { type: 'eval', stage: 'head', epoch: 1, step: 12, loss: 2, accuracy: 0.25 },
  bestAccuracy: 0.3,
  generations: [
    {
      type: 'generation',
      stage: 'head',
      epoch: 1,
      step: 11,
      generation: 2,
      workers: 1,
      reason: 'Lost rank 1.',
      seconds: 1,
    },
  ],
};
const waiting: WatchedRun = {
  ...training,
  state: 'waiting',
  updated: null,
  checkpoint: null,
  step: 0,
  totalSteps: null,
  stepsPerEpoch: null,
  stages: training.stages.map((stage) => ({
    ...stage,
    epoch: 0,
    step: 0,
    steps: null,
    loss: null,
    accuracy: null,
    excess: null,
  })),
  stage: null,
  secondsLeft: null,
  workers: null,
  imagesPerSec: null,
  ms: null,
  recent: { loss: [], accuracy: [], excess: [] },
  evaluation: null,
  bestAccuracy: null,
  generations: [],
};
const wide = { width: 100, colors: false, now };

describe('a picture of a run', () => {
  it('has all that matters', () => {
    expect(picture(training, wide)).toEqual([
      'demo (runs/one): training, last event 0:12 ago',
      '████████████████████░░░░░░░░░░  65.0 %  step 13/20  ETA 1:23',
      '  pretrain  npairs   epoch 2/2  step 10/10  loss 3.500  excess 1.250',
      '▸ head      softmax  epoch 1/2  step 3/10   loss 2.250  acc 12.50 %',
      'loss        █▁ 2.250 (2.250 to 2.500)',
      'accuracy    ▁█ 12.50 % (10.00 % to 12.50 %)',
      'speed       64.50 images/s, 2 workers',
      'step        500.0 ms: compute 90 %, communication 5 %, input 1 %, commit 4 %',
      'evaluation  head epoch 1: test loss 2.000, accuracy 25.00 % (best 30.00 %)',
      'checkpoint  after step 10',
      'after 11    generation 2, 1 worker: Lost rank 1.',
    ]);
  });

  it('is short before the first step, and says nothing that is not known', () => {
    expect(picture(waiting, wide)).toEqual([
      'demo (runs/one): waits for its first step',
      'step 0',
      '  pretrain  npairs   epoch 0/2  step 0',
      '  head      softmax  epoch 0/2  step 0',
    ]);
  });

  it('fits any width, with colours too', () => {
    for (const width of [79, 40, 10, 1]) {
      for (const line of picture(training, { ...wide, width, colors: true })) {
        expect(stripVTControlCharacters(line).length).toBeLessThanOrEqual(width);
      }
    }
  });

  it('survives a run that has diverged', () => {
    const loss = [2, Number.NaN];
    expect(picture({ ...training, recent: { loss, accuracy: [], excess: [] } }, wide)[4]).toBe(
      'loss        ▅× NaN (2.000 to 2.000)',
    );
  });
});

const step = (number: number): StepEvent => ({
  type: 'step',
  stage: 'head',
  epoch: 1,
  step: number,
  samples: 96,
  loss: 2.25,
  lr: 0.1,
  gradNorm: 1,
  imagesPerSec: 64.5,
  workers: 2,
  ms,
  accuracy: 0.125,
});

/** What is written to a stream, as it is asked for, and a clock. */
function viewed(
  terminal: { isTTY?: boolean; columns?: number; rows?: number },
  env: NodeJS.ProcessEnv = { NO_COLOR: '1' },
) {
  let written = '';
  let time = now;
  const stream = {
    ...terminal,
    write: (text: string) => {
      written += text;
    },
  };
  const view = viewOn(stream, () => time, env);
  return {
    show: (run: WatchedRun, events: readonly MetricsEvent[] = [], restarted = false) =>
      view.show(run, events, restarted),
    pass: (ms: number) => {
      time += ms;
    },
    take: () => {
      // A control character that can be seen, and that regular expressions may have.
      const text = written.replaceAll('\x1b', '␛');
      written = '';
      return text;
    },
  };
}

describe('on a terminal', () => {
  it('is redrawn in place', () => {
    const { show, take } = viewed({ isTTY: true, columns: 80, rows: 24 });
    show(waiting);
    expect(take()).toMatch(/^\rdemo .*first step␛\[K\nstep 0␛\[K\n/);
    show(training);
    // Over the four lines that were there.
    expect(take()).toMatch(/^␛\[4A\rdemo .*ago␛\[K\n/);
    show(training);
    expect(take()).toMatch(/^␛\[11A\r.*\n␛\[J$/s);
  });

  it('never scrolls a low one', () => {
    const { show, take } = viewed({ isTTY: true, columns: 80, rows: 5 });
    show(training);
    expect(take().match(/\n/g)).toHaveLength(4);
  });
});

describe('elsewhere', () => {
  for (const [what, terminal, env] of [
    ['a pipe', {}, {}],
    ['a terminal that can not move its cursor', { isTTY: true }, { TERM: 'dumb' }],
  ] as const) {
    it(`${what} gets the picture once, and then a line for what is new`, () => {
      const { show, pass, take } = viewed(terminal, env);
      show(training, [step(12)]);
      expect(take().split('\n')).toHaveLength(12);
      pass(4000);
      show(training, [step(13)]);
      expect(take()).toBe('');
      pass(1000);
      show({ ...training, checkpoint: 13 }, [step(13), training.evaluation!, ...training.generations]);
      expect(take()).toBe(
        [
          'head epoch 1: test loss 2.000, accuracy 25.00 %',
          'generation 2, 1 worker: Lost rank 1.',
          'head 1/2  step 3/5  loss 2.250  acc 12.50 %  64.50 images/s  ETA 1:23',
          'checkpoint after step 13',
          '',
        ].join('\n'),
      );
    });
  }

  it('begins anew when the run has been resumed', () => {
    const { show, take } = viewed({});
    show(training);
    take();
    show(waiting, [], true);
    expect(take().split('\n')).toHaveLength(5);
  });
});
