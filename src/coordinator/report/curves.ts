/** Plots of curves over the run: one or two a run, with the marks of its stages. */
import * as Plot from '@observablehq/plot';
import type { MetricsEvent } from '../metrics.js';
import { figures, percent } from '../progress-text.js';
import type { Axis } from './axis.js';
import { type Domain, type DomainOptions, domainOf } from './domain.js';
import { type Stroke, strokeOf } from './palette.js';
import { draw, type Format } from './plot.js';
import type { PlannedStage, RunData } from './run-data.js';
import type { Figure, LegendEntry } from './section.js';
import { type Bin, thin } from './thin.js';

/** Runs under their labels, along one axis. */
export interface Comparison {
  readonly runs: readonly RunData[];
  readonly labels: readonly string[];
  readonly strokes: readonly Stroke[];
  readonly axis: Axis;
}

export interface Curve {
  /** Index of the run. */
  readonly run: number;
  readonly role: 'training' | 'test';
  /** Of every stage, with a gap between two of them. */
  readonly parts: readonly { readonly stage: string; readonly bins: readonly Bin[] }[];
}

export interface CurvesOptions extends DomainOptions {
  readonly name: string;
  readonly title: string;
  readonly unit: string;
  readonly tick: ((value: number) => string) | string;
  readonly format: Format;
  readonly curves: readonly Curve[];
}

/** Bins of a run's curve: fewer where many runs share a plot. */
export function binsPerCurve(runs: number): number {
  return Math.max(30, Math.min(100, Math.floor(2000 / runs)));
}

/** A value of each event, thinned stage by stage; undefined leaves the event out. */
export function curveOf<E extends MetricsEvent>(
  comparison: Comparison,
  run: number,
  role: Curve['role'],
  events: readonly E[],
  value: (event: E) => number | undefined,
  only: (stage: PlannedStage) => boolean = () => true,
): Curve {
  const { runs, axis } = comparison;
  const samples = events.flatMap((event) => {
    const y = value(event);
    return y === undefined ? [] : [{ stage: event.stage, x: axis.at(run, event.step), y }];
  });
  const { low, high } = extent(comparison);
  const parts = runs[run]!.planned.stages.filter(only).map(({ name: stage }) => {
    const own = samples.filter((sample) => sample.stage === stage);
    const width = own.length === 0 ? 0 : (own.at(-1)!.x - own[0]!.x) / (high - low);
    // As dense in one stage as in another; a short one has its shape, too.
    return { stage, bins: thin(own, Math.max(10, binsPerCurve(runs.length) * width)) };
  });
  return { run, role, parts: parts.filter(({ bins }) => bins.length > 0) };
}

/** Undefined if there is nothing to draw. */
export function curvesFigure(comparison: Comparison, options: CurvesOptions): Figure | undefined {
  const { labels, axis } = comparison;
  const { name, title, unit, tick, format } = options;
  const curves = options.curves.filter(({ parts }) => parts.length > 0);
  if (curves.length === 0) return undefined;
  const bins = curves.flatMap(({ parts }) => parts.flatMap((part) => part.bins));
  const bands = labels.length <= 4;
  const domain = domainOf(
    bins.flatMap(({ min, median, max }) => (bands ? [min, median, max] : [median])),
    options,
  );
  const bothRoles = new Set(curves.map(({ role }) => role)).size > 1;
  const x = extent(comparison);
  const nameOf = ({ run, role }: Curve) =>
    [...(labels.length > 1 ? [labels[run]!] : []), ...(bothRoles || labels.length === 1 ? [role] : [])].join(
      ', ',
    );
  const svg = draw({
    x: { unit: axis.unit, ...x },
    y: { ...domain, label: unit, tick },
    description: `${title}: ${curves.map(nameOf).join('; ')}`,
    format,
    marks: [
      ...stageMarks(comparison),
      ...curves.flatMap((curve) =>
        lines(curve, comparison.strokes[curve.run]!, nameOf(curve), bands, bothRoles),
      ),
    ],
  });
  return {
    name,
    title,
    caption: beyondText(domain, format),
    svg,
    legend: labels.length > 1 ? runLegend(comparison) : roleLegend(bothRoles),
    sharesLegend: true,
    numbers: {
      columns: ['run', 'series', 'stage', axis.unit, 'min', 'median', 'max', 'count'],
      rows: curves.flatMap(({ run, role, parts }) =>
        parts.flatMap(({ stage, bins: own }) =>
          own.map(({ x: at, min, median, max, count }) => [
            labels[run]!,
            role,
            stage,
            at,
            min,
            median,
            max,
            count,
          ]),
        ),
      ),
    },
  };
}

/** What the axis leaves out, or nothing. */
export function beyondText({ low, beyond }: Domain, format: Format): string {
  if (beyond.length === 0) return '';
  const write = format === 'percent' ? percent : figures;
  const [least, most] = [Math.min(...beyond), Math.max(...beyond)];
  const ends = [
    ...(least < low ? [`down to ${write(least)}`] : []),
    ...(most > low ? [`up to ${write(most)}`] : []),
  ];
  return `Beyond the axis: values ${ends.join(' and ')}.`;
}

/** From the start of the run to the end of the longest one. */
export function extent({ runs, axis }: Comparison): { readonly low: number; readonly high: number } {
  const ends = runs.map(({ events }, run) => axis.at(run, events.at(-1)?.step ?? 0));
  return { low: 0, high: Math.max(...ends, Number.MIN_VALUE) };
}

/** Of one run: what its lines are. */
export function roleLegend(both: boolean): LegendEntry[] {
  const { colour } = strokeOf(0);
  return [
    { label: 'training', colour, shape: 'line' },
    ...(both ? [{ label: 'test images', colour, shape: 'points' as const }] : []),
  ];
}

export function runLegend({ labels, strokes }: Comparison): LegendEntry[] {
  return labels.map((label, run) => ({ label, ...strokes[run]!, shape: 'line' }));
}

function lines(
  { role, parts }: Curve,
  { colour, dash }: Stroke,
  label: string,
  bands: boolean,
  bothRoles: boolean,
): Plot.Markish[] {
  const test = role === 'test';
  return parts.flatMap(({ bins }) => {
    const marks: Plot.Markish[] = [];
    // Among many curves bands hide more than they show.
    if (!test && bands && bins.some(({ count }) => count > 1)) {
      marks.push(
        Plot.areaY(bins, { x: 'x', y1: 'min', y2: 'max', fill: colour, fillOpacity: 0.14, clip: true }),
      );
    }
    marks.push(
      Plot.lineY(bins, {
        x: 'x',
        y: 'median',
        stroke: colour,
        strokeWidth: test ? 1.75 : 1.5,
        strokeOpacity: bothRoles && !test ? 0.6 : 1,
        strokeLinejoin: 'round',
        ...(dash === undefined ? {} : { strokeDasharray: dash }),
        ariaLabel: () => label,
        clip: true,
      }),
    );
    if (test) {
      marks.push(
        Plot.dot(bins, {
          x: 'x',
          y: 'median',
          r: bins.length > 40 ? 1.5 : 2.5,
          fill: colour,
          stroke: 'var(--card)',
          strokeWidth: 0.75,
        }),
      );
    }
    return marks;
  });
}

/** Where stages begin: all of them for one run, those after the first for several, whose first begin together. */
export function stageMarks({ runs, axis, strokes }: Comparison): Plot.Markish[] {
  const marks = runs.flatMap(({ planned: { stages }, steps }, run) =>
    stages.length < 2
      ? []
      : stages.flatMap(({ name }) => {
          const first = steps.find(({ stage }) => stage === name);
          return first === undefined ? [] : [{ name, run, x: axis.at(run, first.step - 1) }];
        }),
  );
  const shown = runs.length === 1 ? marks : marks.filter(({ x }) => x > 0);
  const colour = ({ run }: { readonly run: number }) =>
    runs.length === 1 ? 'var(--muted)' : strokes[run]!.colour;
  return shown.flatMap((mark) => [
    ...(mark.x > 0
      ? [Plot.ruleX([mark], { x: 'x', stroke: colour(mark), strokeDasharray: '2 3', strokeOpacity: 0.8 })]
      : []),
    Plot.text([mark], {
      x: 'x',
      text: 'name',
      frameAnchor: 'top',
      textAnchor: 'start',
      dx: 4,
      dy: -14,
      fill: colour(mark),
      fontSize: 10,
    }),
  ]);
}
