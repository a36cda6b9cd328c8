/** The section on what more workers would come to: a fit and two forecasts, never to be taken for measurements. */
import * as Plot from '@observablehq/plot';
import { lawThroughput } from '../../shared/plan/scaling-law.js';
import { figures } from '../progress-text.js';
import { commitLine, type Forecast, type StudyForecast } from '../scale/forecast.js';
import { describeLaw, describeNetwork } from '../scale/forecast-text.js';
import type { ScaleResult } from '../scale/results.js';
import type { Study } from '../scale/study.js';
import { draw } from './plot.js';
import type { Figure, Section } from './section.js';

export function scalingForecast(
  study: Study,
  results: readonly ScaleResult[],
  forecast: StudyForecast,
): Section {
  const { law, network } = forecast;
  const most = Math.max(...results.map(({ workers }) => workers));
  const { a, b, bError } = commitLine(network.parts);
  return {
    id: 'forecast',
    title: 'Forecast',
    text: [
      ...(law === undefined
        ? []
        : [
            `Fit: ${describeLaw(law.fitted)}. X(N) = γN / (1 + σ(N−1) + κN(N−1)), on the logarithms of all runs. Its forecast is what this machine would do if the law went on; its band comes from the errors of the fit.`,
          ]),
      `The forecast for a network assumes a device of its own for each worker, as fast as those of the fewest workers here, and ${describeNetwork(study)} for each: ${network.parts.perMicroBatch.value.toFixed(2)} ms a micro-batch, a spread of ${(100 * network.parts.spread).toFixed(1)} % from rank to rank, t = 2α + 2(N−1)/N · ${(study.reducedBytes / 1e6).toFixed(2)} MB / β for the all-reduce, and ${figures(a)}${b === 0 ? '' : ` + ${figures(b)} · N`} ms for the commit${bError === null ? '' : ` (± ${figures(bError)} · N)`}. Its band holds the errors of these and everything between no and all of the all-reduce that the last backward could hide.`,
    ],
    notes: [
      ...(network.parts.commit.parameters.length > 1
        ? []
        : [
            'What each worker more costs the coordinator at a commit is not known: this machine has too few cores to measure it, and the forecast leaves it out.',
          ]),
      `FORECAST, not measured: nothing here was run with more than ${most} ${most === 1 ? 'worker' : 'workers'}.`,
    ],
    figures: [figure(study, results, forecast)],
    table: {
      columns: [
        ...['workers', 'by the law, images/s', '95 %', 'on the network, images/s', '95 %', 'all-reduce, ms'],
      ].map((title) => ({ title, numeric: true })),
      rows: network.at.map((at, i) => [
        `${at.workers}${at.workers > most ? ' (forecast)' : ''}`,
        ...cells(law?.at[i]),
        ...cells(at),
        at.allReduceMs.toFixed(2),
      ]),
    },
  };
}

function cells(forecast: Forecast | undefined): string[] {
  if (forecast === undefined) return ['–', '–'];
  const { imagesPerSec, low, high } = forecast;
  return [figures(imagesPerSec), `${figures(low)}–${figures(high)}`];
}

function figure(study: Study, results: readonly ScaleResult[], { law, network }: StudyForecast): Figure {
  const curves = [
    ...(law === undefined
      ? []
      : [{ label: 'forecast: the law goes on', colour: 'var(--run-2)', dash: '6 3', at: law.at }]),
    {
      label: `forecast: a device each, ${describeNetwork(study)}`,
      colour: 'var(--run-3)',
      dash: '2 3',
      at: network.at,
    },
  ];
  const ends = network.at.map(({ workers }) => workers);
  const fitted =
    law === undefined
      ? []
      : results.map(({ workers }) => ({ workers, imagesPerSec: lawThroughput(law.fitted, workers) }));
  const points = results.map(({ workers, imagesPerSec }) => ({ workers, imagesPerSec: imagesPerSec.median }));
  const values = [
    ...curves.flatMap(({ at }) => at.flatMap(({ low, high }) => [low, high])),
    ...points.map(({ imagesPerSec }) => imagesPerSec),
  ];
  const every = ends.filter((workers, i) => ends.length <= 7 || i % 2 === 0 || workers === ends.at(-1));
  return {
    name: 'scaling-forecast',
    title: 'Forecast, not measured',
    caption: 'Points are measured, all else is computed from them.',
    svg: draw({
      x: { unit: 'workers', ticks: every, low: Math.min(...ends) / 1.2, high: Math.max(...ends) * 1.2 },
      y: {
        ...{
          low: Math.max(Math.min(...values), 1e-3) / 1.2,
          high: Math.max(...values) * 1.2,
          log: true,
          beyond: [],
        },
        ...{ label: 'images/s', tick: '~s' },
      },
      description:
        'Forecast of images per second by number of workers, with bands of 95 %, and the points that were measured',
      format: 'figures',
      marks: [
        ...curves.flatMap(({ label, colour, dash, at }) => [
          Plot.areaY(at, { x: 'workers', y1: 'low', y2: 'high', fill: colour, fillOpacity: 0.14 }),
          Plot.lineY(at, {
            ...{ x: 'workers', y: 'imagesPerSec', stroke: colour, strokeDasharray: dash, strokeWidth: 1.5 },
            ariaLabel: () => label,
          }),
        ]),
        Plot.lineY(fitted, { x: 'workers', y: 'imagesPerSec', stroke: 'var(--run-2)', strokeWidth: 1.5 }),
        Plot.dot(points, {
          x: 'workers',
          y: 'imagesPerSec',
          r: 3,
          fill: 'var(--run-1)',
          stroke: 'var(--card)',
        }),
      ],
    }),
    legend: [
      { label: 'measured', colour: 'var(--run-1)', shape: 'points' },
      ...curves.map(({ label, colour, dash }) => ({ label, colour, dash, shape: 'line' as const })),
    ],
    sharesLegend: false,
    numbers: {
      columns: ['forecast', 'workers', 'images_per_second', 'low', 'high'],
      rows: curves.flatMap(({ label, at }) =>
        at.map(({ workers, imagesPerSec, low, high }) => [label, workers, imagesPerSec, low, high]),
      ),
    },
  };
}
