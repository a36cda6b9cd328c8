/** The section on faults: who took part when, and why that changed. */
import * as Plot from '@observablehq/plot';
import type { MetricsEvent } from '../metrics.js';
import { type Comparison, extent, stageMarks } from './curves.js';
import { draw } from './plot.js';
import { named } from './run-column.js';
import type { RunData } from './run-data.js';
import type { Figure, Section } from './section.js';

type GenerationEvent = Extract<MetricsEvent, { type: 'generation' }>;

/** The steps that one generation made, counted over the run. */
export interface Generation {
  readonly number: number;
  readonly workers: number;
  readonly from: number;
  readonly to: number;
  /** What it began with; undefined for a start of the run. */
  readonly event: GenerationEvent | undefined;
}

/** Rows of the table; the plots show all. */
const mostRows = 50;

/** From the workers of the steps, which say more than the events: a run that is resumed may have others. */
export function generationsOf({ steps, events }: RunData): Generation[] {
  const formed = events.filter((event) => event.type === 'generation');
  const generations: Generation[] = [];
  let next = 0;
  for (const { step, workers } of steps) {
    let event: GenerationEvent | undefined;
    // Of several in a row without a step the last one is who went on.
    for (; next < formed.length && formed[next]!.step < step; next += 1) event = formed[next];
    const last = generations.at(-1);
    if (last !== undefined && event === undefined && last.workers === workers) {
      generations[generations.length - 1] = { ...last, to: step };
    } else {
      generations.push({ number: event?.generation ?? 1, workers, from: step - 1, to: step, event });
    }
  }
  return generations;
}

/** Undefined if nothing happened to any of the runs. */
export function faults(comparison: Comparison): Section | undefined {
  const { runs, labels } = comparison;
  const disturbed = runs.flatMap((run, index) => {
    const formed = run.events.filter((event) => event.type === 'generation');
    return formed.length === 0 ? [] : [{ index, formed }];
  });
  if (disturbed.length === 0) return undefined;
  const rows = disturbed.flatMap(({ index, formed }) =>
    formed.map((event) => ({ label: labels[index]!, event })),
  );
  const shown = rows.slice(-mostRows);
  return {
    id: 'faults',
    title: 'Workers lost and come',
    text: [
      'Each change of who takes part begins a new generation. The step that was under way is done again, so the weights are those of an undisturbed run.',
      ...(shown.length < rows.length
        ? [`The table has the last ${shown.length} of ${rows.length} changes.`]
        : []),
    ],
    figures: disturbed.map(({ index }) => timeline(comparison, index)),
    table: named(
      {
        columns: [
          { title: 'run' },
          { title: 'generation', numeric: true },
          { title: 'after step', numeric: true },
          { title: 'workers', numeric: true },
          { title: 'held up, s', numeric: true },
          { title: 'reason' },
        ],
        rows: shown.map(({ label, event }) => [
          label,
          `${event.generation}`,
          `${event.step}`,
          `${event.workers}`,
          event.seconds.toFixed(3),
          event.reason,
        ]),
      },
      runs.length,
    ),
  };
}

function timeline(comparison: Comparison, run: number): Figure {
  const { runs, labels, axis, strokes } = comparison;
  const { colour } = strokes[run]!;
  const at = (step: number) => axis.at(run, step);
  const generations = generationsOf(runs[run]!);
  const changes = generations.flatMap(({ event, workers }, i) => {
    if (event === undefined) return [];
    const before = generations[i - 1]?.workers ?? workers;
    const lost = workers < before || event.reason.startsWith('Lost');
    return [{ x: at(event.step), y: Math.max(before, workers), lost, event }];
  });
  const most = Math.max(...generations.map(({ workers }) => workers), 1);
  const single = {
    ...comparison,
    runs: [runs[run]!],
    axis: { ...axis, at: (_: number, step: number) => at(step) },
  };
  const title = ({ event }: (typeof changes)[number]) =>
    `After step ${event.step}, generation ${event.generation} of ${event.workers} workers: ${event.reason}`;
  const suffix = runs.length === 1 ? '' : `, ${labels[run]}`;
  return {
    name: runs.length === 1 ? 'generations' : `generations-${run + 1}`,
    title: `Workers${suffix}`,
    caption: '',
    svg: draw({
      x: { unit: axis.unit, ...extent(comparison) },
      y: {
        low: 0,
        high: most * 1.25,
        log: false,
        beyond: [],
        label: 'workers',
        tick: (value) => (Number.isInteger(value) ? `${value}` : ''),
      },
      description: `Workers over the run${suffix}: ${changes.map(title).join('; ')}`,
      format: 'figures',
      marks: [
        Plot.rectY(generations, {
          x1: ({ from }: Generation) => at(from),
          x2: ({ to }: Generation) => at(to),
          y1: 0,
          y2: 'workers',
          fill: colour,
          fillOpacity: 0.22,
          inset: 0,
          title: ({ number, workers, from, to }: Generation) =>
            `Generation ${number}: ${workers} workers, steps ${from + 1} to ${to}`,
        }),
        Plot.ruleY(generations, {
          x1: ({ from }: Generation) => at(from),
          x2: ({ to }: Generation) => at(to),
          y: 'workers',
          stroke: colour,
          strokeWidth: 2,
        }),
        Plot.dot(changes, {
          x: 'x',
          y: 'y',
          dy: -9,
          r: 4,
          symbol: ({ lost }: (typeof changes)[number]) => (lost ? 'times' : 'triangle'),
          stroke: ({ lost }: (typeof changes)[number]) => (lost ? 'var(--run-2)' : 'var(--run-3)'),
          strokeWidth: 2,
          title,
        }),
        ...stageMarks(single),
      ],
    }),
    legend: [
      { label: 'lost', colour: 'var(--run-2)', shape: 'cross' },
      { label: 'come', colour: 'var(--run-3)', shape: 'triangle' },
    ],
    sharesLegend: false,
    numbers: {
      columns: ['run', 'generation', 'workers', 'first_step', 'last_step', 'seconds', 'reason'],
      rows: generations.map(({ number, workers, from, to, event }) => [
        labels[run]!,
        number,
        workers,
        from + 1,
        to,
        event?.seconds ?? '',
        event?.reason ?? '',
      ]),
    },
  };
}
