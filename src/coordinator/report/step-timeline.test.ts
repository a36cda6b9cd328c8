import { describe, expect, it } from 'vitest';
import { contrastive, exampleData, exampleEvents } from '../../../test/example-run.js';
import { exampleTrace } from '../../../test/example-trace.js';
import type { MetricsEvent } from '../metrics.js';
import { aligned, durationOf, hiddenShare, typicalOf } from './aligned-trace.js';
import { axisOf } from './axis.js';
import { strokeOf } from './palette.js';
import { stepTimeline } from './step-timeline.js';

const comparisonOf = (...runs: readonly (readonly MetricsEvent[])[]) => {
  const data = runs.map((events) => exampleData(contrastive, events));
  const labels = runs.map((_, i) => `run ${i + 1}`);
  return { runs: data, labels, strokes: runs.map((_, i) => strokeOf(i)), axis: axisOf(data) };
};
const events = exampleEvents(contrastive);
const traced = [
  ...events,
  exampleTrace('pretrain', 2),
  exampleTrace('head', 32),
  exampleTrace('head', 34, 50),
];

describe('the ranks of a step', () => {
  it('are beside each other by the moment of the commit', () => {
    expect(aligned(exampleTrace('train', 2)).map(({ begins }) => begins)).toEqual([0, 10]);
    // Rank 1: 225 ms, 10 ms later.
    expect(durationOf(exampleTrace('train', 2))).toBe(235);
  });

  it('have hidden what of the exchange lies before the end of their computing', () => {
    const [first, second] = exampleTrace('train', 2).ranks;
    // 150 to 180 and 199 to 205, computing until 200.
    expect(hiddenShare(first!)).toBeCloseTo(31 / 36);
    // 80 to 170 and on to 195, computing until 120: what overlaps counts once.
    expect(hiddenShare(second!)).toBeCloseTo(40 / 115);
    expect(hiddenShare({ ...first!, buckets: [] })).toBe(1);
  });

  it('are those of the step in the middle', () => {
    const steps = [40, 0, 20].map((slower, i) => exampleTrace('train', i, slower));
    expect(typicalOf(steps)!.step).toBe(2);
    expect(typicalOf([])).toBeUndefined();
  });
});

describe('the timeline of a step', () => {
  it('is there for each stage of a run that was traced, and for the last one of each of several', () => {
    expect(stepTimeline(comparisonOf(events))).toBeUndefined();
    const names = (...runs: readonly (readonly MetricsEvent[])[]) =>
      stepTimeline(comparisonOf(...runs))!.figures.map(({ name }) => name);
    expect(names([...events, exampleTrace('pretrain', 2)])).toEqual(['step-timeline']);
    expect(names(traced)).toEqual(['step-timeline-1', 'step-timeline-2']);
    expect(names(traced, events)).toEqual(['step-timeline']);
    expect(names(traced, traced)).toEqual(['step-timeline-1', 'step-timeline-2']);
  });

  it('draws the exchange once more where it is a small part of the step', () => {
    const late = exampleTrace('head', 32);
    const ranks = late.ranks.map((rank) => ({ ...rank, buckets: rank.buckets.slice(1) }));
    const { figures } = stepTimeline(comparisonOf([...events, { ...late, ranks }]))!;
    expect(figures.map(({ name }) => name)).toEqual(['step-timeline', 'step-timeline-exchange']);
    const [from = 0, to] = /data-x="([\d.]+) ([\d.]+)/.exec(figures[1]!.svg)!.slice(1).map(Number);
    // The first bucket left rank 1 at 118 ms, 10 ms after rank 0 began.
    expect(from).toBeGreaterThan(120);
    expect(from).toBeLessThan(128);
    expect(to).toBe(235);
  });

  it('has the numbers of every rank', () => {
    const { figures, table } = stepTimeline(comparisonOf([...events, exampleTrace('head', 32)]))!;
    const { columns, rows } = figures[0]!.numbers;
    expect(columns).toEqual([
      ...['run', 'stage', 'step', 'rank', 'what', 'number', 'bytes', 'from_ms', 'to_ms'],
    ]);
    const of = (rank: number, what: string) =>
      rows.filter((row) => row[3] === rank && row[4] === what).map((row) => row.slice(5));
    expect(of(0, 'reducing')).toEqual([
      [0, 4_000_000, 150, 160],
      [1, 1000, 199, 200],
    ]);
    expect(of(1, 'returning')).toEqual([
      [0, 4_000_000, 160, 180],
      [1, 1000, 128, 205],
    ]);
    expect(of(1, 'wait')).toEqual([[0, '', 130, 206]]);
    expect(of(1, 'commit')).toEqual([[0, '', 206, 220]]);
    expect(table!.rows[1]!.slice(-7)).toEqual([
      ...['10.00', '130.00', '90.00', '205.00', '34.8 %', '220.00', '235.00'],
    ]);
  });
});
