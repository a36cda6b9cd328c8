import { expect, it } from 'vitest';
import { exampleData, exampleEvents, traditional } from '../../../test/example-run.js';
import type { MetricsEvent } from '../metrics.js';
import { axisOf } from './axis.js';
import { faults, generationsOf } from './faults.js';
import { strokeOf } from './palette.js';

const changed = (step: number, generation: number, workers: number, reason: string): MetricsEvent => ({
  type: 'generation',
  stage: 'train',
  ...{ epoch: 1, step, generation, workers, reason, seconds: 0.25 },
});

/** Two workers, one from step 6 on, two again from step 9 on. */
const events = exampleEvents({ ...traditional, until: 12 }).flatMap((event) => {
  const before =
    event.step === 6
      ? [changed(5, 2, 1, 'Lost rank 1')]
      : event.step === 9
        ? [changed(8, 3, 2, 'rank 1 joined')]
        : [];
  const workers = event.step >= 6 && event.step < 9 ? 1 : 2;
  return [...(event.type === 'step' ? before : []), event.type === 'step' ? { ...event, workers } : event];
});
const run = exampleData({ ...traditional, until: 12 }, events);

it('finds which generation made which steps', () => {
  const spans = generationsOf(run).map(({ number, workers, from, to }) => [number, workers, from, to]);
  expect(spans).toEqual([
    [1, 2, 0, 5],
    [2, 1, 5, 8],
    [3, 2, 8, 12],
  ]);
});

it('of generations without a step it has the last', () => {
  const [first] = run.events;
  const twice = [
    first!,
    changed(1, 2, 1, 'Lost rank 1'),
    changed(1, 3, 2, 'Lost rank 0'),
    ...run.events.slice(1, 4),
  ];
  expect(generationsOf(exampleData(traditional, twice)).map(({ number }) => number)).toEqual([1, 3]);
});

it('says nothing where nothing happened, else every change with its reason', () => {
  const quiet = exampleData(traditional);
  expect(
    faults({ runs: [quiet], labels: ['a'], strokes: [strokeOf(0)], axis: axisOf([quiet]) }),
  ).toBeUndefined();
  const section = faults({
    runs: [quiet, run],
    labels: ['a', 'b'],
    strokes: [strokeOf(0), strokeOf(1)],
    axis: axisOf([quiet, run]),
  });
  expect(section?.figures.map(({ name, title }) => [name, title])).toEqual([['generations-2', 'Workers, b']]);
  expect(section?.table?.rows).toEqual([
    ['b', '2', '5', '1', '0.250', 'Lost rank 1'],
    ['b', '3', '8', '2', '0.250', 'rank 1 joined'],
  ]);
});
