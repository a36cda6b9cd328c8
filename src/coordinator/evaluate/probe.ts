/**
 * The linear probe: multinomial logistic regression on frozen features, which says how well classes can be told apart by
 * a linear classifier. On features of mean 0 and deviation 1 over the training images it minimises
 * mean cross-entropy + λ/2·‖W‖², the bias apart: convex, so the result does not depend on how it is found.
 */
import { accuracyOf, answers, mean } from './classification.js';
import type { Evaluation } from './evaluation-file.js';
import { minimize } from './lbfgs.js';
import type { Rows } from './rows.js';
import type { Standardization } from './standardize.js';
import type { LinearClassifier, TrainFeatures } from './train-features.js';

/** λ. scikit-learn's LogisticRegression has C = 1/(λ·n) for it. */
export const probeL2 = 1e-4;

const search = { maxIterations: 500, tolerance: 1e-5, noise: 1e-7 };

/** `converged`: the search came to its end; else it is as far as float32 or the limit of iterations let it come. */
export type Probe = NonNullable<Evaluation['probe']>;

/** What the search asks of the training images' features. */
export type ProbedFeatures = Pick<TrainFeatures, 'images' | 'standardization' | 'loss'>;

/** @param test features of the test images, and their labels */
export async function linearProbe(
  train: ProbedFeatures,
  test: Rows,
  labels: Uint8Array,
  classes: number,
): Promise<Probe> {
  const { width } = test;
  const scaling = await train.standardization();
  const { images } = train;
  const found = await minimize(
    async (x) => {
      const { loss, gradient } = await train.loss(classifierOf(x, width, classes), scaling);
      let squares = 0;
      for (const [i, value] of gradient.entries()) {
        // The bias, which comes last, is not held back.
        const penalised = i < width * classes ? x[i]! : 0;
        gradient[i] = value / images + probeL2 * penalised;
        squares += penalised * penalised;
      }
      return { value: loss / images + (probeL2 / 2) * squares, gradient };
    },
    new Float64Array(width * classes + classes),
    search,
  );
  const logits = logitsOf(classifierOf(found.at, width, classes), test, scaling, classes);
  const { predicted, losses } = answers(logits, labels);
  return {
    trainImages: images,
    l2: probeL2,
    iterations: found.iterations,
    converged: found.converged,
    objective: found.value,
    accuracy: accuracyOf(predicted, labels),
    loss: mean(losses),
  };
}

function classifierOf(x: Float64Array, width: number, classes: number): LinearClassifier {
  const values = Float32Array.from(x);
  return { weights: values.subarray(0, width * classes), bias: values.subarray(width * classes) };
}

function logitsOf(
  { weights, bias }: LinearClassifier,
  { values, width }: Rows,
  { shift, scale }: Standardization,
  classes: number,
): Rows {
  const rows = values.length / width;
  const logits = new Float32Array(rows * classes);
  const sums = new Float64Array(classes);
  for (let row = 0; row < rows; row += 1) {
    sums.set(bias);
    for (let f = 0; f < width; f += 1) {
      const x = (values[row * width + f]! - shift[f]!) * scale[f]!;
      for (let c = 0; c < classes; c += 1) sums[c]! += x * weights[f * classes + c]!;
    }
    logits.set(sums, row * classes);
  }
  return { values: logits, width: classes };
}
