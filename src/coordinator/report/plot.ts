/** Drawings: Observable Plot on a DOM without a browser. A drawing carries its scales, so that a page can read values off it. */
import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import type { Unit } from './axis.js';
import type { Domain } from './domain.js';

/** In the units of the drawing; a phone shows them nearly 1:1. */
export const size = { width: 400, height: 228 } as const;

export interface PlotOptions {
  readonly x: {
    readonly unit: Unit | 'workers' | 'ms' | 'confidence';
    readonly low: number;
    readonly high: number;
    /** Where the axis is to have its ticks, which makes it logarithmic. */
    readonly ticks?: readonly number[];
  };
  readonly y: Domain & {
    readonly label: string;
    readonly tick: ((value: number) => string) | string;
    /** Where the axis is to have its ticks, if not at round values. */
    readonly ticks?: readonly number[];
  };
  /** What people who can't see it are told. */
  readonly description: string;
  readonly format: Format;
  readonly marks: readonly Plot.Markish[];
  /** Of what the largest dot stands for, where dots have sizes. */
  readonly largest?: number;
}

/** A drawing without curves to read values off. */
export interface FreePlotOptions {
  readonly description: string;
  readonly height: number;
  readonly margins: Readonly<Record<'top' | 'right' | 'bottom' | 'left', number>>;
  /** Plot's own. */
  readonly scales: Pick<Plot.PlotOptions, 'x' | 'y' | 'fy' | 'opacity'>;
  readonly marks: readonly Plot.Markish[];
}

/** How a page writes the values of a plot. */
export type Format = 'percent' | 'figures' | 'ms';

const unitLabels: Record<PlotOptions['x']['unit'], string> = {
  ...{ step: 'step', epoch: 'epoch', images: 'images seen', workers: 'workers' },
  ...{ ms: 'ms', confidence: 'confidence' },
};

/** The drawing as SVG text. */
export function draw({ x, y, description, format, marks, largest }: PlotOptions): string {
  const drawing = newDrawing({
    height: size.height,
    marginTop: 32,
    marginRight: 10,
    marginBottom: 36,
    marginLeft: 44,
    ariaLabel: description,
    x: {
      domain: [x.low, x.high],
      label: unitLabels[x.unit],
      labelArrow: 'none',
      ...(x.ticks === undefined
        ? { ticks: 5, tickFormat: ticks(x.high) }
        : { type: 'log', ticks: [...x.ticks], tickFormat: plain }),
    },
    y: {
      domain: [y.low, y.high],
      type: y.log ? 'log' : 'linear',
      nice: y.beyond.length === 0 && !y.log && y.ticks === undefined,
      label: y.label,
      labelArrow: 'none',
      ticks: y.ticks === undefined ? 5 : [...y.ticks],
      tickFormat: y.tick,
      tickSize: 0,
    },
    ...(largest === undefined ? {} : { r: { domain: [0, largest], range: [1.5, 6] } }),
    marks: [
      ...(y.ticks === undefined
        ? [Plot.gridY({ ticks: 5, stroke: 'currentColor', strokeOpacity: 0.12 })]
        : []),
      ...marks,
      Plot.frame({ anchor: 'bottom', stroke: 'currentColor', strokeOpacity: 0.4 }),
    ],
  });
  for (const name of ['x', 'y'] as const) {
    const { domain = [], range = [], type } = drawing.scale(name) ?? {};
    drawing.setAttribute(`data-${name}`, [...domain, ...range, type].join(' '));
  }
  drawing.setAttribute('data-unit', x.unit);
  drawing.setAttribute('data-format', format);
  return textOf(drawing);
}

/** The same for a drawing of any kind and height. */
export function drawFreely({ description, height, margins, scales, marks }: FreePlotOptions): string {
  const drawing = newDrawing({
    ...{ height, ariaLabel: description, marks: [...marks], ...scales },
    marginTop: margins.top,
    marginRight: margins.right,
    marginBottom: margins.bottom,
    marginLeft: margins.left,
  });
  return textOf(drawing);
}

type Drawing = ReturnType<typeof Plot.plot>;

function newDrawing(options: Plot.PlotOptions): Drawing {
  const { document } = parseHTML('<html></html>');
  return Plot.plot({
    document,
    width: size.width,
    className: 'plot',
    style: { fontSize: '11px' },
    ...options,
  });
}

function textOf(drawing: Drawing): string {
  drawing.setAttribute('role', 'img');
  drawing.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
  return rounded(drawing.outerHTML as string);
}

function ticks(high: number): string {
  return high >= 10_000 ? '~s' : '~f';
}

/** Without the digits that floating point adds. */
export function plain(value: number): string {
  return String(Number(value.toPrecision(6)));
}

/** Coordinates to a hundredth: the rest is invisible, and half of the file. */
function rounded(svg: string): string {
  return svg.replace(/ (?:transform|d|cx|cy|[xy][12]?|width|height)="[^"]*"/g, (attribute) =>
    attribute.replace(/-?\d+\.\d{3,}/g, (number) => String(Number(Number(number).toFixed(2)))),
  );
}
