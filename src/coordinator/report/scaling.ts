/** The section on scaling: throughput, efficiency and the time of a step, by number of workers. */
import * as Plot from '@observablehq/plot';
import type { Estimate } from '../../shared/statistics/estimate.js';
import { figures } from '../progress-text.js';
import { describeMissing } from '../scale/missing.js';
import type { ScaleResult } from '../scale/results.js';
import { coresOf, type Study, type StudyRun } from '../scale/study.js';
import { splitParts } from '../scale/time-split.js';
import { draw, plain } from './plot.js';
import type { Figure, Section } from './section.js';

const measured = 'var(--run-1)';

export function scaling(study: Study, results: readonly ScaleResult[]): Section {
  const { mode } = study;
  return {
    id: 'scaling',
    title: 'Scaling',
    text: [
      mode === 'weak'
        ? 'Weak scaling: every worker has the same micro-batches, so the global batch grows with their number.'
        : 'Strong scaling: the global batch is the same for all numbers of workers.',
      `${howItRan(study)} A point is the median of the runs; its bar is a 95 % interval of their geometric mean (Student's t over runs, which needs two). Efficiency is taken within a repeat.`,
      'Of the time of a step, compute and input are means over ranks; waiting is what the mean rank waits for the slowest one; exposed communication is what the slowest one then waits itself.',
    ],
    notes: caveats(study),
    figures: [throughputFigure(results), efficiencyFigure(results), splitFigure(results)],
    table: {
      columns: [
        ...['workers', 'global batch', 'images/s', '95 %', 'efficiency', '95 %', 'step, ms'],
        ...splitParts.map(({ title }) => title),
        'slowest',
      ].map((title) => ({ title, numeric: true })),
      rows: results.map(({ workers, globalBatch, imagesPerSec, efficiency, msPerStep, split, slowest }) => [
        `${workers}`,
        `${globalBatch}`,
        figures(imagesPerSec.median),
        interval(imagesPerSec, figures),
        efficiency.median.toFixed(3),
        interval(efficiency, (value) => value.toFixed(3)),
        msPerStep.median.toFixed(2),
        ...splitParts.map(({ name }) => split[name].toFixed(2)),
        workers === 1 ? '–' : `rank ${slowest.rank} (${(100 * slowest.share).toFixed(0)} %)`,
      ]),
    },
  };
}

function howItRan({ repeats, steps, warmup, missing }: Study): string {
  const times = repeats === 1 ? 'once' : `${repeats} times`;
  const how =
    missing === undefined
      ? `Each number of workers ran ${times}, interleaved`
      : `Each number of workers was to run ${times}, each run a job of its own, submitted interleaved`;
  return `${how}; ${steps} steps after ${warmup} that don't count.`;
}

/** What keeps the numbers from meaning what they seem to. */
function caveats(study: Study): string[] {
  const { machine, threads, simulatedCompute, simulatedLink, runs, missing = [] } = study;
  const crowded = runs.filter((run) => run.workers * threads > coresOf(study, run));
  const load = Math.max(0, ...runs.map(({ othersLoad = 0 }) => othersLoad));
  const hosts = new Set(runs.flatMap((run) => run.hosts ?? []));
  return [
    ...describeMissing(missing),
    ...(hosts.size > 1
      ? [
          `Runs were on ${hosts.size} hosts (${[...hosts].sort().join(', ')}): what differs between those is in the numbers.`,
        ]
      : []),
    ...(simulatedCompute === undefined
      ? []
      : [
          `Compute is simulated: beside a small real step each worker waits ${simulatedCompute.ms} ms a micro-batch${simulatedCompute.slow === undefined ? '' : `, rank ${simulatedCompute.slow.rank} ${simulatedCompute.slow.factor} times as long`}. Nothing of the exchange is hidden behind it.`,
        ]),
    ...(simulatedLink === undefined
      ? []
      : [
          `The network is simulated: ${figures((simulatedLink.bytesPerSecond * 8) / 1e6)} Mb/s and ${figures(simulatedLink.delayMs)} ms for each worker.`,
        ]),
    ...(machine.gpus === 0 && simulatedCompute === undefined && crowded.length > 0
      ? [crowdedText(study, crowded)]
      : []),
    ...(load > 0.1
      ? [
          `Others used up to ${(100 * load).toFixed(0)} % of the machine just before a run: the numbers are rough.`,
        ]
      : []),
  ];
}

function crowdedText(study: Study, crowded: readonly StudyRun[]): string {
  const { threads, machine } = study;
  const most = crowded.reduce((more, run) => (run.workers > more.workers ? run : more));
  const cores = coresOf(study, most);
  const per = cores === machine.cores ? '' : ` of ${cores / machine.cores} hosts`;
  return `${most.workers} workers of ${threads} ${threads === 1 ? 'thread' : 'threads'} share ${cores} cores${per}: beyond ${Math.floor(machine.cores / threads)} workers${cores === machine.cores ? '' : ' a host'} this shows what sharing costs, not how training scales.`;
}

function interval({ interval: ends }: Estimate, write: (value: number) => string): string {
  return ends === null ? '–' : ends.map(write).join('–');
}

/** From a little before the fewest workers to a little after the most. */
function axis(results: readonly ScaleResult[]) {
  const workers = results.map((result) => result.workers);
  return {
    ...({ unit: 'workers', ticks: workers } as const),
    low: Math.min(...workers) / 1.3,
    high: Math.max(...workers) * 1.3,
  };
}

function throughputFigure(results: readonly ScaleResult[]): Figure {
  const [base] = results;
  const ideal = results.map(({ workers }) => ({
    workers,
    value: (base!.imagesPerSec.median * workers) / base!.workers,
  }));
  const points = results.map(({ workers, imagesPerSec }) => ({ workers, ...ends(imagesPerSec) }));
  const seen = [...ideal.map(({ value }) => value), ...points.map(({ median }) => median)];
  // Both axes logarithmic: what is ideal is a straight line.
  const [low, high] = [Math.min(...seen) / 1.5, Math.max(...seen) * 1.3];
  return {
    name: 'scaling-throughput',
    title: 'Throughput',
    caption: cutText(points, low, high),
    svg: draw({
      x: axis(results),
      y: { low, high, log: true, beyond: [], label: 'images/s', tick: '~s' },
      description:
        'Images per second by number of workers, and what they would be if each were as fast as one',
      format: 'figures',
      marks: [
        Plot.lineY(ideal, {
          ...{ x: 'workers', y: 'value', stroke: 'var(--muted)', strokeDasharray: '4 3' },
          ariaLabel: () => 'ideal',
        }),
        ...measuredMarks(points, low, high),
      ],
    }),
    legend: [
      { label: 'measured', colour: measured, shape: 'points' },
      {
        label: 'ideal: as fast as the fewest workers, each',
        colour: 'var(--muted)',
        dash: '4 3',
        shape: 'line',
      },
    ],
    sharesLegend: false,
    numbers: numbersOf(points, 'images_per_second'),
  };
}

function efficiencyFigure(results: readonly ScaleResult[]): Figure {
  const points = results.map(({ workers, efficiency }) => ({ workers, ...ends(efficiency) }));
  return {
    name: 'scaling-efficiency',
    title: 'Efficiency',
    caption: cutText(points, 0, 1.2),
    svg: draw({
      x: axis(results),
      y: { low: 0, high: 1.2, log: false, beyond: [], label: 'of ideal', tick: '.0%' },
      description: 'Throughput by number of workers, as a share of the ideal one',
      format: 'percent',
      marks: [
        Plot.ruleY([1], { stroke: 'var(--muted)', strokeDasharray: '4 3' }),
        ...measuredMarks(points, 0, 1.2),
      ],
    }),
    legend: [],
    sharesLegend: false,
    numbers: numbersOf(points, 'efficiency'),
  };
}

interface Point {
  readonly workers: number;
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

function ends({ median, interval: found }: Estimate): Omit<Point, 'workers'> {
  const [low, high] = found ?? [median, median];
  return { median, low, high };
}

function measuredMarks(points: readonly Point[], least: number, most: number): Plot.Markish[] {
  return [
    Plot.ruleX(points, {
      x: 'workers',
      y1: ({ low }: Point) => Math.max(low, least),
      y2: ({ high }: Point) => Math.min(high, most),
      stroke: measured,
      strokeWidth: 2,
      strokeOpacity: 0.5,
    }),
    Plot.lineY(points, {
      ...{ x: 'workers', y: 'median', stroke: measured, strokeWidth: 1.5 },
      ariaLabel: () => 'measured',
    }),
    Plot.dot(points, { x: 'workers', y: 'median', r: 3, fill: measured, stroke: 'var(--card)' }),
  ];
}

function cutText(points: readonly Point[], least: number, most: number): string {
  const cut = points.some(({ low, high }) => low < least || high > most);
  return cut ? 'Bars end at the edge, the intervals beyond it: see the table.' : '';
}

function numbersOf(points: readonly Point[], value: string): Figure['numbers'] {
  return {
    columns: ['workers', value, 'low', 'high'],
    rows: points.map(({ workers, median, low, high }) => [workers, median, low, high]),
  };
}

/** A bar a number of workers; parts below 0 are not drawn. */
function splitFigure(results: readonly ScaleResult[]): Figure {
  const bars = results.flatMap(({ workers, split }) => {
    let top = 0;
    return splitParts.map(({ name }) => {
      const from = top;
      top += Math.max(0, split[name]);
      return { workers, colour: colours[name], from, to: top };
    });
  });
  return {
    name: 'scaling-step-time',
    title: 'Time of a step',
    caption: '',
    svg: draw({
      x: axis(results),
      y: {
        ...{ low: 0, high: Math.max(...bars.map(({ to }) => to)), log: false, beyond: [] },
        ...{ label: 'ms per step', tick: plain },
      },
      description: `Time of a step by number of workers, from the bottom: ${splitParts.map(({ title }) => title).join(', ')}`,
      format: 'ms',
      marks: splitParts.map(({ name }) =>
        Plot.rect(
          bars.filter(({ colour }) => colour === colours[name]),
          {
            x1: ({ workers }: (typeof bars)[number]) => workers / 1.2,
            x2: ({ workers }: (typeof bars)[number]) => workers * 1.2,
            ...{ y1: 'from', y2: 'to', fill: colours[name] },
          },
        ),
      ),
    }),
    legend: splitParts.map(({ name, title }) => ({ label: title, colour: colours[name], shape: 'area' })),
    sharesLegend: false,
    numbers: {
      columns: ['workers', ...splitParts.map(({ name }) => `${name}_ms`)],
      rows: results.map(({ workers, split }) => [workers, ...splitParts.map(({ name }) => split[name])]),
    },
  };
}

const colours = {
  compute: 'var(--compute)',
  waiting: 'var(--waiting)',
  exposedComm: 'var(--comm)',
  commit: 'var(--commit)',
  input: 'var(--input)',
  other: 'var(--other)',
} as const;
