/** The section on evaluations: what `lockstep eval` has found out about each run's checkpoint. */
import * as Plot from '@observablehq/plot';
import { reliabilityBins } from '../evaluate/calibration.js';
import type { ClassifierEvaluation, Evaluation } from '../evaluate/evaluation-file.js';
import { figures, percent } from '../progress-text.js';
import { type Comparison, runLegend } from './curves.js';
import type { Stroke } from './palette.js';
import { draw, drawFreely } from './plot.js';
import { named } from './run-column.js';
import type { Figure, Section, Table } from './section.js';

/** A run's evaluation, with the run's index and label. */
export interface Evaluated {
  readonly run: number;
  readonly label: string;
  readonly stroke: Stroke;
  readonly evaluation: Evaluation;
}

interface Classified extends Evaluated {
  readonly classifier: ClassifierEvaluation;
}

export function evaluatedRuns({ runs, labels, strokes }: Comparison): Evaluated[] {
  return runs.flatMap(({ evaluation }, run) =>
    evaluation === undefined ? [] : [{ run, label: labels[run]!, stroke: strokes[run]!, evaluation }],
  );
}

/** Undefined if none of the runs has been evaluated. */
export function evaluation(comparison: Comparison): Section | undefined {
  const evaluated = evaluatedRuns(comparison);
  if (evaluated.length === 0) return undefined;
  const classified = evaluated.flatMap((one): Classified[] => {
    const { classifier } = one.evaluation;
    return classifier === null ? [] : [{ ...one, classifier }];
  });
  const several = comparison.runs.length > 1;
  return {
    id: 'evaluation',
    title: 'Evaluation',
    text: [
      `By lockstep eval, on the test images. Loss is the negative log-likelihood in nats; ECE the expected calibration error over ${reliabilityBins} bins of equal width; kNN and the linear probe classify by the features of the encoder alone, and of the training images.`,
    ],
    figures:
      classified.length === 0
        ? []
        : [
            classFigure(classified),
            reliabilityFigure(classified),
            ...classified.map((one) => confusionFigure(one, several)),
          ],
    ...(several ? { legend: runLegend(comparison) } : {}),
    table: named(measures(evaluated), comparison.runs.length),
  };
}

/** What nobody has asked for, or what is no number. */
const nothing = '–';
const share = (value: number | null | undefined) => (value == null ? nothing : percent(value));
const number = (value: number | null | undefined) => (value == null ? nothing : figures(value));

function measures(evaluated: readonly Evaluated[]): Table {
  const flips = evaluated.some(({ evaluation: { flipAveraged } }) => flipAveraged !== null);
  return {
    columns: [
      { title: 'run' },
      { title: 'after' },
      ...[
        ...['accuracy', ...(flips ? ['accuracy (flip averaged)'] : []), 'loss', 'ECE'],
        ...['kNN, weighted', 'kNN, plain', 'linear probe', 'probe loss', 'test images'],
      ].map((title) => ({ title, numeric: true })),
    ],
    rows: evaluated.map(({ label, evaluation: { classifier, flipAveraged, knn, probe, ...rest } }) => [
      label,
      `step ${rest.step}, ${rest.stage}`,
      share(classifier?.accuracy),
      ...(flips ? [share(flipAveraged?.accuracy)] : []),
      number(classifier?.loss),
      number(classifier?.calibration.ece),
      share(knn?.weighted),
      share(knn?.plain),
      share(probe?.accuracy),
      number(probe?.loss),
      `${rest.images}`,
    ]),
  };
}

/** Bars: how many of a class are found. Ticks: how many of those that are taken for it are of it. */
function classFigure(classified: readonly Classified[]): Figure {
  const bars = classified.flatMap(({ run, label, classifier, evaluation: { classes } }) =>
    classifier.classes.map(({ images, recall, precision }, c) => {
      return { run, label, name: classes[c]!, images, recall, precision };
    }),
  );
  const names = [...new Set(bars.map(({ name }) => name))];
  const height = 48 + names.length * (8 + classified.length * (classified.length > 3 ? 5 : 9));
  return {
    name: 'class-recall',
    title: 'Accuracy of each class',
    caption: 'Bar: recall, of the images of a class those that are found. Line: precision.',
    height,
    svg: drawFreely({
      description: `Recall and precision of each class: ${classified.map(({ label }) => label).join('; ')}`,
      height,
      margins: { top: 4, right: 10, bottom: 36, left: 78 },
      scales: {
        x: { domain: [0, 1], label: 'share', labelArrow: 'none', ticks: 5, tickFormat: '.0%' },
        y: { domain: classified.map(({ run }) => run), axis: null, padding: 0.1 },
        fy: { domain: names, label: null, padding: 0.12 },
      },
      marks: [
        Plot.gridX({ ticks: 5, stroke: 'currentColor', strokeOpacity: 0.12 }),
        ...classified.map(({ run, stroke }) =>
          Plot.barX(
            bars.filter((bar) => bar.run === run && bar.recall !== null),
            {
              ...{ fy: 'name', y: 'run', x: 'recall', fill: stroke.colour, fillOpacity: 0.75 },
              title: ({ label, name, recall, precision }: (typeof bars)[number]) =>
                `${label}, ${name}: recall ${share(recall)}, precision ${share(precision)}`,
            },
          ),
        ),
        Plot.tickX(
          bars.filter(({ precision }) => precision !== null),
          { fy: 'name', y: 'run', x: 'precision', stroke: 'currentColor', strokeWidth: 1.5 },
        ),
      ],
    }),
    legend: classified.map(({ label, stroke }) => ({ label, ...stroke, shape: 'area' })),
    sharesLegend: true,
    numbers: {
      columns: ['run', 'class', 'images', 'recall', 'precision'],
      rows: bars.map(({ label, name, images, recall, precision }) => [
        ...[label, name, images, recall ?? Number.NaN, precision ?? Number.NaN],
      ]),
    },
  };
}

/** Accuracy over confidence; what is below the diagonal is surer than it should be. */
function reliabilityFigure(classified: readonly Classified[]): Figure {
  const eces = classified.map(({ label, classifier }) => {
    const { ece } = classifier.calibration;
    return classified.length === 1 ? `ECE ${number(ece)}` : `${label} ${number(ece)}`;
  });
  const lines = classified.map(({ label, stroke, classifier }) => ({
    ...{ label, stroke },
    bins: classifier.calibration.bins.filter(({ count }) => count > 0),
  }));
  return {
    name: 'reliability',
    title: 'Reliability',
    caption: `${classified.length === 1 ? '' : 'ECE: '}${eces.join(', ')}. On the dashed line a model is as often right as it is sure.`,
    svg: draw({
      x: { unit: 'confidence', low: 0, high: 1 },
      y: { low: 0, high: 1, log: false, beyond: [], label: 'right answers', tick: '.0%' },
      description: `Right answers over confidence: ${classified.map(({ label }) => label).join('; ')}`,
      format: 'percent',
      marks: [
        Plot.line(
          [
            [0, 0],
            [1, 1],
          ],
          { stroke: 'var(--muted)', strokeDasharray: '4 3' },
        ),
        ...lines.flatMap(({ label, stroke: { colour, dash }, bins }) => {
          return [
            Plot.line(bins, {
              ...{ x: 'confidence', y: 'accuracy', stroke: colour, strokeWidth: 1.5 },
              ...(dash === undefined ? {} : { strokeDasharray: dash }),
              ariaLabel: () => label,
            }),
            Plot.dot(bins, {
              ...{ x: 'confidence', y: 'accuracy', fill: colour, stroke: 'var(--card)', strokeWidth: 0.75 },
              // As large as the bin is full, so that a bin of three images does not look like one of a thousand.
              r: ({ count }: (typeof bins)[number]) => count,
            }),
          ];
        }),
      ],
      largest: Math.max(...lines.flatMap(({ bins }) => bins.map(({ count }) => count))),
    }),
    legend: classified.map(({ label, stroke }) => ({ label, ...stroke, shape: 'points' })),
    sharesLegend: true,
    numbers: {
      columns: ['run', 'from', 'to', 'count', 'confidence', 'accuracy'],
      rows: classified.flatMap(({ label, classifier }) =>
        classifier.calibration.bins.map(({ from, to, count, confidence, accuracy }) => [
          ...[label, from, to, count, confidence ?? Number.NaN, accuracy ?? Number.NaN],
        ]),
      ),
    },
  };
}

function confusionFigure({ run, label, stroke, classifier, evaluation }: Classified, several: boolean): Figure {
  const { classes } = evaluation;
  const cells = classifier.confusion.flatMap((row, actual) => {
    const images = row.reduce((sum, count) => sum + count, 0);
    return row.map((count, predicted) => {
      const share = images === 0 ? 0 : count / images;
      return { actual: classes[actual]!, predicted: classes[predicted]!, count, share };
    });
  });
  const height = 360;
  return {
    name: several ? `confusion-${run + 1}` : 'confusion',
    title: several ? `Confusion, ${label}` : 'Confusion',
    caption: 'Test images. Rows: what they are; columns: what they were taken for.',
    height,
    svg: drawFreely({
      description: `Confusion matrix of ${label}: test images by class and by predicted class`,
      height,
      margins: { top: 4, right: 4, bottom: 62, left: 78 },
      scales: {
        x: { domain: classes, label: null, tickRotate: -40, tickSize: 0 },
        y: { domain: classes, label: null, tickSize: 0 },
        opacity: { type: 'identity' },
      },
      marks: [
        Plot.cell(cells, {
          ...{ x: 'predicted', y: 'actual', fill: stroke.colour, inset: 0.5 },
          fillOpacity: ({ share }: (typeof cells)[number]) => 0.05 + 0.95 * share,
          title: ({ actual, predicted, count, share: of }: (typeof cells)[number]) =>
            `${actual} taken for ${predicted}: ${count} (${percent(of)})`,
        }),
        Plot.text(
          cells.filter(({ count }) => count > 0),
          {
            ...{ x: 'predicted', y: 'actual', text: 'count', fontSize: 9 },
            fill: ({ share }: (typeof cells)[number]) => (share > 0.7 ? 'var(--card)' : 'var(--ink)'),
          },
        ),
      ],
    }),
    legend: [],
    sharesLegend: true,
    numbers: {
      columns: ['actual', 'predicted', 'images'],
      rows: cells.map(({ actual, predicted, count }) => [actual, predicted, count]),
    },
  };
}
