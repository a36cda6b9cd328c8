/** An evaluation as people read it: one table of measures, one of classes, one of who is taken for whom. */
import { reliabilityBins } from '../coordinator/evaluate/calibration.js';
import type { CheckpointEvaluation } from '../coordinator/evaluate/checkpoint.js';
import type { Evaluation } from '../coordinator/evaluate/evaluation-file.js';
import { percent } from '../coordinator/progress-text.js';
import { type Column, table } from './table.js';

const right = (title: string): Column => ({ title, align: 'right' });
/** Of a model that has diverged nothing is a number. */
const nothing = '–';
const share = (value: number | null) => (value === null ? nothing : percent(value));
const number = (value: number | null) => (value === null ? nothing : value.toFixed(4));

export function evaluationText({ folder, weights, evaluation }: CheckpointEvaluation): string {
  const { step, stage, images } = evaluation;
  return [
    `${folder}: step ${step}, stage '${stage}', ${images} test images${weights === 'ema' ? ', EMA weights' : ''}`,
    table([{ title: 'measure' }, right('value')], measures(evaluation)),
    ...classTables(evaluation),
    '',
  ].join('\n\n');
}

function measures({ classifier, flipAveraged, knn, probe, spaces, points }: Evaluation): string[][] {
  const l2 = probe?.l2;
  return [
    ...(classifier === null
      ? []
      : [
          ['accuracy', share(classifier.accuracy)],
          ['loss (negative log-likelihood), nats', number(classifier.loss)],
          [`expected calibration error, ${reliabilityBins} bins`, number(classifier.calibration.ece)],
        ]),
    ...(flipAveraged === null
      ? []
      : [
          ['accuracy (flip averaged)', share(flipAveraged.accuracy)],
          ['loss (flip averaged), nats', number(flipAveraged.loss)],
          ['expected calibration error (flip averaged)', number(flipAveraged.ece)],
        ]),
    ...(knn === null
      ? []
      : [
          [`kNN accuracy, k ${knn.k}, weighted, temperature ${knn.temperature}`, percent(knn.weighted)],
          [`kNN accuracy, k ${knn.k}, one vote each`, percent(knn.plain)],
        ]),
    ...(probe === null
      ? []
      : [
          [
            `linear probe accuracy, L2 ${l2}${probe.converged ? '' : ', not converged'}`,
            share(probe.accuracy),
          ],
          ['linear probe loss, nats', number(probe.loss)],
        ]),
    ...spaces.flatMap(({ name, width, alignment, uniformity }) => [
      [`alignment of ${width} ${name}, ${points.images.length} images`, number(alignment)],
      [`uniformity of ${width} ${name}`, number(uniformity)],
    ]),
  ];
}

function classTables({ classifier, classes }: Evaluation): string[] {
  if (classifier === null) return [];
  const { confusion, classes: scores } = classifier;
  const named = scores.map(({ images, recall, precision }, c) => [
    ...[`${c} ${classes[c]}`, `${images}`, share(recall), share(precision)],
  ]);
  return [
    table([{ title: 'class' }, right('images'), right('recall'), right('precision')], named),
    `Taken for (columns), by class (rows), in images:\n\n${table(
      [{ title: '' }, ...classes.map((_, c) => right(`${c}`))],
      confusion.map((row, c) => [`${c} ${classes[c]}`, ...row.map(String)]),
    )}`,
  ];
}
