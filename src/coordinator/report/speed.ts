/** The section on speed: images per second, and where the time of a step goes. */
import * as Plot from '@observablehq/plot';
import { figures as inFigures } from '../progress-text.js';
import {
  beyondText,
  type Comparison,
  curveOf,
  curvesFigure,
  extent,
  runLegend,
  stageMarks,
} from './curves.js';
import { domainOf } from './domain.js';
import { draw, plain } from './plot.js';
import { named } from './run-column.js';
import { stagesOf } from './run-data.js';
import type { Figure, Section, Table } from './section.js';
import { parts, stepTime } from './step-time.js';
import { median } from './thin.js';

export function speed(comparison: Comparison): Section {
  const { runs, labels } = comparison;
  const throughput = curvesFigure(comparison, {
    name: 'throughput',
    title: 'Throughput',
    unit: 'images/s',
    tick: '~s',
    format: 'figures',
    zero: true,
    curves: runs.map(({ steps }, run) =>
      curveOf(comparison, run, 'training', steps, (step) => step.imagesPerSec),
    ),
  });
  const splits = runs.flatMap((_, run) => timeSplit(comparison, run) ?? []);
  return {
    id: 'speed',
    title: 'Speed',
    text: [
      'Evaluation and checkpoints lie between steps and are not counted. The parts of a step are those of the worker that computed longest; exposed communication is what it did not hide.',
    ],
    figures: [...(throughput === undefined ? [] : [throughput]), ...splits],
    table: named(medians(comparison), runs.length),
    legend: labels.length > 1 ? runLegend(comparison) : [],
  };
}

/** Medians, stacked: one slow step in a bin does not count. Undefined if there is no step. */
function timeSplit(comparison: Comparison, run: number): Figure | undefined {
  const { runs, labels, axis } = comparison;
  const { steps } = runs[run]!;
  const curves = parts.map(({ name }) => ({
    name,
    ...curveOf(comparison, run, 'training', steps, (step) => stepTime(step)[name]),
  }));
  const stages = curves[0]!.parts;
  if (stages.length === 0) return undefined;
  const stacked = stages.flatMap(({ stage, bins }, s) =>
    bins.map(({ x }, i) => {
      let height = 0;
      const tops = curves.map(({ parts: own }) => {
        const from = height;
        height += own[s]!.bins[i]!.median;
        return [from, height] as const;
      });
      return { stage, x, tops, height };
    }),
  );
  const domain = domainOf(
    stacked.map(({ height }) => height),
    { zero: true },
  );
  const suffix = runs.length === 1 ? '' : `, ${labels[run]}`;
  const single = {
    runs: [runs[run]!],
    labels: [labels[run]!],
    strokes: [comparison.strokes[run]!],
    axis: { ...axis, at: (_: number, step: number) => axis.at(run, step) },
  };
  const svg = draw({
    x: { unit: axis.unit, ...extent(comparison) },
    y: { ...domain, label: 'ms per step', tick: plain },
    description: `Time of a step${suffix}, from the bottom: ${parts.map(({ title }) => title).join(', ')}`,
    format: 'ms',
    marks: [
      ...stages.flatMap(({ stage }) =>
        parts.map(({ name, title }, part) =>
          Plot.areaY(
            stacked.filter((bin) => bin.stage === stage),
            {
              x: 'x',
              y1: ({ tops }: (typeof stacked)[number]) => tops[part]![0],
              y2: ({ tops }: (typeof stacked)[number]) => tops[part]![1],
              fill: `var(--${name})`,
              ariaLabel: () => title,
              clip: true,
            },
          ),
        ),
      ),
      ...stageMarks(single),
    ],
  });
  return {
    name: runs.length === 1 ? 'step-time' : `step-time-${run + 1}`,
    title: `Time of a step${suffix}`,
    caption: beyondText(domain, 'figures'),
    svg,
    legend: parts.map(({ name, title }) => ({ label: title, colour: `var(--${name})`, shape: 'area' })),
    sharesLegend: false,
    numbers: {
      columns: ['run', 'stage', axis.unit, ...parts.map(({ name }) => `${name}_ms`)],
      rows: stacked.map(({ stage, x, tops }) => [
        labels[run]!,
        stage,
        x,
        ...tops.map(([from, to]) => to - from),
      ]),
    },
  };
}

/** Over all steps of a stage. */
function medians({ runs, labels }: Comparison): Table {
  return {
    columns: [
      { title: 'run' },
      { title: 'stage' },
      ...['images/s', 'step, ms', ...parts.map(({ title }) => title)].map((title) => ({
        title,
        numeric: true,
      })),
    ],
    rows: runs.flatMap((run, i) =>
      stagesOf(run).map(({ name }) => {
        const steps = run.steps.filter(({ stage }) => stage === name);
        const split = steps.map(stepTime);
        return [
          labels[i]!,
          name,
          inFigures(median(steps.map(({ imagesPerSec }) => imagesPerSec))),
          milliseconds(steps.map(({ ms }) => ms.total)),
          ...parts.map((part) => milliseconds(split.map((one) => one[part.name]))),
        ];
      }),
    ),
  };
}

/** To a hundredth: parts of a step are to be compared with each other. */
function milliseconds(values: readonly number[]): string {
  return median(values).toFixed(2);
}
