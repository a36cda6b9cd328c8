/** The section on one step of a stage, drawn to scale: what each rank did when, and where its buckets were. */
import * as Plot from '@observablehq/plot';
import type { TraceEvent } from '../metrics.js';
import { someOf } from '../step-traces.js';
import {
  type AlignedRank,
  aligned,
  computedAt,
  durationOf,
  exchangeOf,
  hiddenShare,
  type RankTrace,
  typicalOf,
} from './aligned-trace.js';
import type { Comparison } from './curves.js';
import { draw } from './plot.js';
import { named } from './run-column.js';
import type { Figure, LegendEntry, Section } from './section.js';

/** Ranks of a plot, each with a line a bucket; the numbers have all that were recorded. */
const mostRanks = 4;

/** In the order of the legend. */
const kinds = {
  input: { title: 'input', colour: 'var(--input)' },
  run: { title: 'forward and backward', colour: 'var(--compute)' },
  wait: { title: 'waiting for sums', colour: 'var(--other)' },
  commit: { title: 'commit', colour: 'var(--commit)' },
  apply: { title: 'apply', colour: 'var(--apply)' },
  gather: { title: 'all-gather', colour: 'var(--waiting)' },
  reducing: { title: 'a bucket, until our slice of it is summed', colour: 'var(--reducing)' },
  returning: { title: 'until all of it is back', colour: 'var(--comm)' },
} as const;
type Kind = keyof typeof kinds;

/** A piece of time; ms since the first rank began. */
interface Bar {
  readonly kind: Kind;
  readonly from: number;
  readonly to: number;
  readonly label: string;
  /** Bucket, run or exchange, from 0. */
  readonly index: number;
  readonly bytes?: number;
}

/** A step that is shown. */
interface Shown {
  readonly run: number;
  readonly stage: string;
  /** Of the stage, from 0. */
  readonly index: number;
  readonly event: TraceEvent;
  /** How many steps of the stage were traced. */
  readonly of: number;
}

/** Undefined if no step was traced. Of one run all stages, of several the last one of each. */
export function stepTimeline({ runs, labels }: Comparison): Section | undefined {
  const shown = runs.flatMap(({ planned, events }, run) => {
    const traces = events.filter((event) => event.type === 'trace');
    const stages = planned.stages.flatMap(({ name: stage }, index): Shown[] => {
      const own = traces.filter((event) => event.stage === stage);
      const event = typicalOf(own);
      return event === undefined ? [] : [{ run, stage, index, event, of: own.length }];
    });
    return runs.length === 1 ? stages : stages.slice(-1);
  });
  if (shown.length === 0) return undefined;
  const ranks = shown.flatMap((one) => aligned(one.event).map((rank) => ({ ...one, ...rank })));
  return {
    id: 'step-timeline',
    title: 'A step, drawn to scale',
    text: [
      'A few steps of each stage are recorded; this is the one in the middle by duration. The thick bar of a rank is what it did; below it is a thin one for each bucket of gradients, from when it left the graph: paler until this rank’s slice of it was summed, then until the whole bucket was back. Every rank has its own clock; they are laid beside each other by the moment of the commit, which is sent to all at once.',
      'Hidden is the share of the time in which buckets were on their way that the rank spent computing.',
    ],
    figures: shown.flatMap((one) => figuresOf(one, labels[one.run]!, runs.length, shown.length)),
    table: named(
      {
        columns: [
          { title: 'run' },
          { title: 'stage' },
          ...[
            ...['step', 'rank', 'begins, ms', 'computed', 'first bucket left', 'last one back', 'hidden'],
            ...['commit came', 'applied'],
          ].map((title) => ({ title, numeric: true })),
        ],
        rows: ranks.map(({ run, stage, event, trace, begins }) => [
          labels[run]!,
          stage,
          `${event.step}`,
          `${trace.rank}`,
          ms(begins),
          ms(begins + computedAt(trace)),
          ...(exchangeOf(trace)?.map((at) => ms(begins + at)) ?? ['–', '–']),
          `${(100 * hiddenShare(trace)).toFixed(1)} %`,
          ms(begins + trace.committed),
          ms(begins + trace.applied[1]),
        ]),
      },
      runs.length,
    ),
    legend: legend(shown.map(({ event }) => event)),
  };
}

/** The whole step, and what follows the first bucket's leaving where that is a small part of it. */
function figuresOf(shown: Shown, label: string, runs: number, figures: number): Figure[] {
  const { event, stage, index, run, of } = shown;
  const ranks = aligned(event);
  const end = durationOf(event);
  const first = Math.min(
    ...ranks.map(({ trace, begins }) => begins + (exchangeOf(trace)?.[0] ?? Number.POSITIVE_INFINITY)),
  );
  const number = runs > 1 ? run + 1 : index + 1;
  const name = figures === 1 ? 'step-timeline' : `step-timeline-${number}`;
  const suffix = [...(runs > 1 ? [label] : []), ...(figures > 1 ? [stage] : [])]
    .map((text) => `, ${text}`)
    .join('');
  const which = `Step ${event.step}${of === 1 ? '' : `, the middle one of ${of}`}`;
  const some = ranks.length < event.workers ? `; ${ranks.length} of ${event.workers} ranks recorded` : '';
  const make = (from: number, own: string, title: string) =>
    figure(event, {
      from,
      to: end,
      name: own,
      run: label,
      title: `${title}${suffix}`,
      caption: `${which}${some}.`,
    });
  const whole = make(0, name, 'A step');
  if (!Number.isFinite(first) || first < 0.4 * end) return [whole];
  return [whole, make(first - 0.02 * (end - first), `${name}-exchange`, 'Its exchange')];
}

interface FigureOptions {
  /** Of the axis, ms. */
  readonly from: number;
  readonly to: number;
  readonly name: string;
  readonly run: string;
  readonly title: string;
  readonly caption: string;
}

function figure(event: TraceEvent, { from, to, name, run, title, caption }: FigureOptions): Figure {
  const all = aligned(event);
  const last = all.reduce((one, other) => (computedAt(other.trace) > computedAt(one.trace) ? other : one));
  const ranks = someOf(all, mostRanks, (one) => one === last);
  const boxes = ranks.flatMap((rank, i) => boxesOf(rank, event.bytes, ranks.length - 1 - i, { from, to }));
  return {
    name,
    title,
    caption,
    svg: draw({
      x: { unit: 'ms', low: from, high: to },
      y: {
        ...{ low: 0, high: ranks.length, log: false, beyond: [], label: 'rank' },
        ticks: ranks.map((_, i) => i + 0.5),
        tick: (at) => `${ranks[ranks.length - 1 - Math.floor(at)]!.trace.rank}`,
      },
      description: `${title}: ${ranks.map(({ trace, begins }) => describe(trace, begins)).join('; ')}`,
      format: 'ms',
      marks: (Object.keys(kinds) as Kind[]).map((kind) =>
        Plot.rect(
          boxes.filter((box) => box.kind === kind),
          {
            ...{ x1: 'x1', x2: 'x2', y1: 'low', y2: 'high', fill: kinds[kind].colour, inset: 0 },
            ariaLabel: 'label',
          },
        ),
      ),
    }),
    legend: legend([event]),
    sharesLegend: true,
    numbers: {
      columns: ['run', 'stage', 'step', 'rank', 'what', 'number', 'bytes', 'from_ms', 'to_ms'],
      rows: all.flatMap((rank) =>
        barsOf(rank, event.bytes).map(({ kind, index, bytes, from, to }) => [
          ...[run, event.stage, event.step, rank.trace.rank],
          ...[kind, index, bytes ?? '', number(from), number(to)],
        ]),
      ),
    },
  };
}

/** All that a rank did. */
function barsOf({ trace, begins }: AlignedRank, bytes: readonly number[]): Bar[] {
  const bar = (kind: Kind, from: number, to: number, label: string, index = 0): Bar => ({
    ...{ kind, from: begins + from, to: begins + to, label, index },
  });
  const { input, runs, gathers, buckets, reported, committed, applied } = trace;
  return [
    bar('wait', Math.min(computedAt(trace), reported), reported, 'waiting for sums'),
    bar('commit', reported, committed, 'commit'),
    ...input.map(([from, to], i) => bar('input', from, to, i === 0 ? 'input' : 'next input', i)),
    ...runs.map(([from, to], i) => bar('run', from, to, `run ${i + 1} of the graph`, i)),
    bar('apply', applied[0], applied[1], 'apply'),
    ...gathers.map(([from, to], i) => bar('gather', from, to, `all-gather ${i + 1}`, i)),
    ...buckets.flatMap(([left, summed, back], i) => {
      const size = bytes[i] ?? 0;
      const name = `bucket ${i}, ${sizeText(size)}`;
      return [
        ...(summed === null
          ? []
          : [{ ...bar('reducing', left, summed, `${name} reducing`, i), bytes: size }]),
        { ...bar('returning', summed ?? left, back, `${name} returning`, i), bytes: size },
      ];
    }),
  ];
}

/** Bars with their place in the plot: a row of height 1 for each rank, the first one on top. */
function boxesOf(
  rank: AlignedRank,
  bytes: readonly number[],
  row: number,
  axis: { readonly from: number; readonly to: number },
) {
  const lanes = Math.max(1, rank.trace.buckets.length);
  const [top, middle, gap] = [row + 0.94, row + 0.64, row + 0.56];
  const lane = (gap - row - 0.06) / lanes;
  // What is too short to see is drawn as wide as a hair.
  const hair = (axis.to - axis.from) / 1000;
  return barsOf(rank, bytes)
    .filter(({ to }) => to >= axis.from)
    .map(({ kind, from, to, label, index }) => {
      const x1 = Math.max(from, axis.from);
      const box = { kind, x1, x2: Math.max(to, x1 + hair), label: `${label}: ${ms(from)}–${ms(to)} ms` };
      switch (kind) {
        case 'reducing':
        case 'returning':
          return { ...box, high: gap - index * lane, low: gap - (index + 1) * lane };
        case 'gather':
          return { ...box, high: middle, low: gap };
        default:
          return { ...box, high: top, low: middle };
      }
    });
}

function describe(trace: RankTrace, begins: number): string {
  const [first, last] = exchangeOf(trace) ?? [];
  const exchange =
    first === undefined ? '' : `, buckets on their way from ${ms(begins + first)} to ${ms(begins + last!)}`;
  return `rank ${trace.rank} computes until ${ms(begins + computedAt(trace))}${exchange}, has applied at ${ms(begins + trace.applied[1])} ms`;
}

function legend(events: readonly TraceEvent[]): LegendEntry[] {
  const gathers = events.some(({ ranks }) => ranks.some(({ gathers }) => gathers.length > 0));
  return Object.entries(kinds)
    .filter(([kind]) => kind !== 'gather' || gathers)
    .map(([, { title, colour }]) => ({ label: title, colour, shape: 'area' }));
}

function sizeText(bytes: number): string {
  return bytes >= 1e6 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e3).toFixed(1)} kB`;
}

function ms(value: number): string {
  return value.toFixed(2);
}

/** Without the digits that adding makes. */
function number(value: number): number {
  return Number(value.toFixed(2));
}
