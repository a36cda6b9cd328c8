/** An evaluation with made-up numbers, as reports meet it in a run's folder. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { calibration } from '../src/coordinator/evaluate/calibration.js';
import { classScores } from '../src/coordinator/evaluate/classification.js';
import type { Evaluation, Space } from '../src/coordinator/evaluate/evaluation-file.js';

const classes = [
  ...['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck'],
];

export interface ExampleEvaluation {
  /** Of the 100 test images of each class those that are found; the rest is taken for the next class. */
  readonly found: number;
  readonly spaces: readonly Space['name'][];
  readonly points: number;
}

/** Right answers have a confidence of 0.9, wrong ones of 0.5. Point i lies at (cos, sin) of i, in both ways. */
export function exampleEvaluation({ found, spaces, points }: ExampleEvaluation): Evaluation {
  const confusion = classes.map((_, row) =>
    classes.map((_, c) => (c === row ? found : c === (row + 1) % 10 ? 100 - found : 0)),
  );
  const right = Array.from({ length: 1000 }, (_, i) => i < 10 * found);
  const places = Array.from({ length: 2 * points }, (_, i) => {
    const angle = Math.floor(i / 2);
    return Number((i % 2 === 0 ? Math.cos(angle) : Math.sin(angle)).toPrecision(4));
  });
  const images = Array.from({ length: points }, (_, i) => i);
  return {
    format: 1,
    checkpoint: '00000040',
    step: 40,
    stage: 'train',
    weightsDigest: 'd'.repeat(64),
    images: 1000,
    classes,
    classifier: {
      accuracy: found / 100,
      loss: 1.25,
      confusion,
      classes: classScores(confusion),
      calibration: calibration(
        Float64Array.from(right, (is) => (is ? 0.9 : 0.5)),
        right,
      ),
    },
    flipAveraged: { accuracy: found / 100 + 0.01, loss: 1.2, ece: 0.05 },
    knn: { k: 200, temperature: 0.07, trainImages: 4000, weighted: 0.55, plain: 0.54 },
    probe: {
      ...{ accuracy: 0.6, loss: 1.1, trainImages: 4000, l2: 1e-4, iterations: 99, converged: true },
      objective: 1,
    },
    points: { images, labels: images.map((i) => i % 10), predicted: images.map((i) => (i + 1) % 10) },
    spaces: spaces.map((name) => ({
      ...{ name, width: 32, alignment: 0.75, uniformity: -1.5 },
      pca: { explained: [0.5, 0.25], places },
      umap: { neighbours: 15, minDist: 0.1, places },
    })),
  };
}

export function writeExampleEvaluation(run: string, evaluation: ExampleEvaluation): void {
  writeFileSync(join(run, 'evaluation.json'), JSON.stringify(exampleEvaluation(evaluation)));
}
