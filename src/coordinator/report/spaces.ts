/** The section on spaces: features and embeddings of test images as places, each coloured by its class. */
import type * as Plot from '@observablehq/plot';
import type { Evaluation, Space } from '../evaluate/evaluation-file.js';
import { figures, percent } from '../progress-text.js';
import type { Comparison } from './curves.js';
import { type Evaluated, evaluatedRuns } from './evaluation.js';
import { classColour } from './palette.js';
import { drawFreely, size } from './plot.js';
import { named } from './run-column.js';
import type { Figure, Section } from './section.js';

/** Of all drawings together: a point takes about 15 bytes. */
const mostPoints = 24_000;
/** Square, so that a distance is the same in all directions. */
const height = size.width;
const margin = 8;

/** One run's space, drawn in one way. */
interface Drawing extends Evaluated {
  readonly space: Space;
  readonly way: 'umap' | 'pca';
  /** x0, y0, x1, y1, … */
  readonly places: readonly number[];
}

/** Undefined if no run has spaces to show. */
export function spaces(comparison: Comparison): Section | undefined {
  const evaluated = evaluatedRuns(comparison).filter(({ evaluation }) => evaluation.spaces.length > 0);
  if (evaluated.length === 0) return undefined;
  const several = comparison.runs.length > 1;
  // Runs beside each other: the same space in the same way.
  const drawings = (['features', 'embeddings'] as const).flatMap((name) =>
    (['umap', 'pca'] as const).flatMap((way) => evaluated.flatMap((one) => drawingOf(one, name, way))),
  );
  const most = Math.floor(mostPoints / drawings.length);
  const { classes } = evaluated[0]!.evaluation;
  return {
    id: 'spaces',
    title: 'Features and embeddings',
    text: [
      "The encoder's features, and the projection head's embeddings where there is one, of a sample of the test images, as rows of length 1. UMAP keeps neighbours together, and nothing else about it means anything; PCA shows the two directions in which rows vary most.",
      'Alignment is the mean squared distance of two images of one class: the lower the closer a class is. Uniformity is the logarithm of the mean of exp(−2·squared distance) over all pairs: the lower the more evenly all images are spread (Wang and Isola, 2020, whose positive pairs are views of one image).',
    ],
    figures: drawings.map((drawing) => spaceFigure(drawing, several, most)),
    legend: classes.map((label, c) => ({ label, colour: classColour(c), shape: 'area' })),
    table: named(
      {
        columns: [
          { title: 'run' },
          { title: 'space' },
          ...['width', 'alignment', 'uniformity', 'variance in two components', 'images'].map((title) => ({
            title,
            numeric: true,
          })),
        ],
        rows: evaluated.flatMap(({ label, evaluation: { spaces: own, points } }) =>
          own.map(({ name, width, alignment, uniformity, pca: { explained } }) => [
            label,
            name,
            `${width}`,
            alignment === null ? '–' : figures(alignment),
            uniformity === null ? '–' : figures(uniformity),
            percent((explained[0] ?? 0) + (explained[1] ?? 0)),
            `${points.images.length}`,
          ]),
        ),
      },
      comparison.runs.length,
    ),
  };
}

function drawingOf(one: Evaluated, name: Space['name'], way: Drawing['way']): Drawing[] {
  const space = one.evaluation.spaces.find((other) => other.name === name);
  const places = way === 'umap' ? space?.umap?.places : space?.pca.places;
  return space === undefined || places === undefined ? [] : [{ ...one, space, way, places }];
}

function spaceFigure(
  { run, label, evaluation, space, way, places }: Drawing,
  several: boolean,
  most: number,
): Figure {
  const { points, classes } = evaluation;
  const rows = thinned(points, places, most);
  const method = way === 'umap' ? 'UMAP' : 'PCA';
  const title = `${space.name === 'features' ? 'Features' : 'Embeddings'}, ${method}`;
  return {
    name: `${space.name}-${way}${several ? `-${run + 1}` : ''}`,
    title: several ? `${title}, ${label}` : title,
    caption: `${rows.length} test images${way === 'pca' ? `; the axes have ${space.pca.explained.map((part) => percent(part ?? 0)).join(' and ')} of the variance` : ''}.`,
    height,
    svg: drawFreely({
      description: `${title} of ${label}: test images as points, coloured by class`,
      height,
      margins: { top: margin, right: margin, bottom: margin, left: margin },
      scales: {},
      marks: [dots(rows, classes)],
    }),
    legend: classes.map((name, c) => ({ label: name, colour: classColour(c), shape: 'area' })),
    sharesLegend: true,
    numbers: {
      columns: ['image', 'class', ...(points.predicted === null ? [] : ['predicted']), 'x', 'y'],
      rows: rows.map(({ image, label: own, predicted, x, y }) => [
        ...[image, classes[own]!],
        ...(predicted === undefined ? [] : [classes[predicted]!]),
        ...[x, y],
      ]),
    },
  };
}

interface Point {
  readonly image: number;
  readonly label: number;
  readonly predicted: number | undefined;
  readonly x: number;
  readonly y: number;
}

/** At most so many, evenly. */
function thinned(
  { images, labels, predicted }: Evaluation['points'],
  places: readonly number[],
  most: number,
): Point[] {
  const count = Math.min(images.length, most);
  return Array.from({ length: count }, (_, i) => {
    const at = Math.floor((i * images.length) / count);
    return {
      ...{ image: images[at]!, label: labels[at]!, predicted: predicted?.[at] },
      ...{ x: places[2 * at]!, y: places[2 * at + 1]! },
    };
  });
}

/** One path a class, of a dot a point: a circle for each would be three times as long. */
function dots(points: readonly Point[], classes: readonly string[]): Plot.RenderFunction {
  const [xs, ys] = [points.map(({ x }) => x), points.map(({ y }) => y)];
  const [left, right] = [Math.min(...xs), Math.max(...xs)];
  const [bottom, top] = [Math.min(...ys), Math.max(...ys)];
  // Both axes on one scale, in the middle.
  const scale = (height - 2 * margin) / (Math.max(right - left, top - bottom) || 1);
  const place = ({ x, y }: Point) => {
    const across = size.width / 2 + (x - (left + right) / 2) * scale;
    const down = height / 2 - (y - (bottom + top) / 2) * scale;
    return `M${across.toFixed(1)},${down.toFixed(1)}h.01`;
  };
  return (_index, _scales, _values, _dimensions, { document }) => {
    const element = (name: string, attributes: Readonly<Record<string, string>>) => {
      const made = document.createElementNS('http://www.w3.org/2000/svg', name);
      for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
      return made;
    };
    const group = element('g', { fill: 'none', 'stroke-width': '3.2', 'stroke-linecap': 'round' });
    for (const [c, name] of classes.entries()) {
      const own = points.filter(({ label }) => label === c);
      const d = own.map(place).join('');
      if (d !== '') group.append(element('path', { 'aria-label': name, stroke: classColour(c), d }));
    }
    return group;
  };
}
