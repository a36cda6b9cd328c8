/** The objectives against other people's code (test/fixtures/losses.py) and against finite differences. */
import { readFileSync } from 'node:fs';
import type { Scalar, Tensor1D, Tensor2D } from '@tensorflow/tfjs-node-gpu';
import { describe, expect, it } from 'vitest';
import { tf } from '../src/shared/engine/tensorflow.js';
import { ntxentGradient } from '../src/shared/loss/ntxent.js';
import { softmaxCrossEntropy } from '../src/shared/loss/softmax.js';
import { supconGradient } from '../src/shared/loss/supcon.js';
import { tripletGradient } from '../src/shared/loss/triplet.js';
import { dot, draws, expectClose, finiteDifferences } from './numeric.js';

interface Case {
  readonly objective: keyof typeof losses;
  readonly name: string;
  /** Temperature, margin or smoothing. */
  readonly parameter: number;
  readonly labels: readonly number[];
  /** Logits for softmax. [labels,4] */
  readonly rows: readonly number[];
  readonly loss: number;
  readonly gradient: readonly number[];
}

const cases = JSON.parse(
  readFileSync(new URL('fixtures/losses.json', import.meta.url), 'utf8'),
) as readonly Case[];

const matrix = (values: ArrayLike<number>, columns = 4) =>
  tf.tensor(Float32Array.from(values), [values.length / columns, columns]) as Tensor2D;
const labelTensor = (labels: readonly number[]) => tf.tensor1d([...labels], 'int32');
const scalarOf = (scalar: Scalar) => scalar.dataSync()[0]!;

type Loss = (V: Tensor2D, labels: Tensor1D, parameter: number) => { loss: Scalar; dV: Tensor2D };

const losses = {
  supcon: supconGradient,
  ntxent: ntxentGradient,
  triplet: tripletGradient,
  softmax: (logits: Tensor2D, labels: Tensor1D, smoothing: number) => {
    const of = (x: Tensor2D) =>
      softmaxCrossEntropy(x, labels, { globalCount: logits.shape[0], smoothing }).loss;
    return { loss: of(logits), dV: tf.grad((x) => of(x as Tensor2D))(logits) as Tensor2D };
  },
} satisfies Record<string, Loss>;

describe('value and gradient are those of PyTorch Metric Learning and PyTorch', () => {
  it.each(cases)('$objective: $name', ({ objective, parameter, labels, rows, loss, gradient }) => {
    const found = losses[objective](matrix(rows), labelTensor(labels), parameter);
    expect(Math.abs(scalarOf(found.loss) - loss)).toBeLessThanOrEqual(1e-5 * loss);
    expectClose(found.dV, gradient, 1e-5);
  });

  it('for every objective', () => {
    expect(new Set(cases.map(({ objective }) => objective))).toEqual(new Set(Object.keys(losses)));
  });
});

/** Every class of some size, one of a single row; the rows of a global batch of 4 micro-batches would lie like this. */
const labels = [3, 1, 3, 3, 0, 1, 7, 3, 1, 0];
const width = 3;

const normalised = (rows: Float64Array): Float64Array =>
  rows.map((value, i) => {
    const from = width * Math.floor(i / width);
    const row = rows.subarray(from, from + width);
    return Math.fround(value / Math.sqrt(dot(row, row)));
  });
const V = normalised(draws(labels.length * width, 'objectives'));
const rowOf = (V: Float64Array, i: number) => V.subarray(i * width, (i + 1) * width);
const others = (i: number) => labels.flatMap((_, j) => (j === i ? [] : [j]));

/** The definitions in float64, one row after the other. */
const definitions = {
  supcon: (V: Float64Array, temperature: number) =>
    mean((i) => {
      const score = (j: number) => dot(rowOf(V, i), rowOf(V, j)) / temperature;
      const denominator = others(i).reduce((sum, a) => sum + Math.exp(score(a)), 0);
      const positives = others(i).filter((p) => labels[p] === labels[i]);
      const logs = positives.map((p) => Math.log(Math.exp(score(p)) / denominator));
      return positives.length === 0 ? 0 : -logs.reduce((a, b) => a + b) / positives.length;
    }),
  triplet: (V: Float64Array, margin: number) =>
    mean((i) => {
      const distance = (j: number) => Math.hypot(...rowOf(V, i).map((x, k) => x - rowOf(V, j)[k]!));
      const positives = others(i).filter((p) => labels[p] === labels[i]);
      const negatives = others(i).filter((n) => labels[n] !== labels[i]);
      if (positives.length === 0) return 0;
      const violation = margin + Math.max(...positives.map(distance)) - Math.min(...negatives.map(distance));
      return Math.max(0, violation);
    }),
};

function mean(of: (row: number) => number): number {
  return labels.reduce((sum, _, i) => sum + of(i), 0) / labels.length;
}

describe('agree with finite differences', () => {
  it.each([
    ['supcon', 0.5],
    ['supcon', 0.1],
    ['triplet', 0.05],
    ['triplet', 0.6],
  ] as const)('%s, %d', (objective, parameter) => {
    const definition = (x: Float64Array) => definitions[objective](x, parameter);
    const { loss, dV } = losses[objective](matrix(V, width), labelTensor(labels), parameter);
    expect(Math.abs(scalarOf(loss) / definition(V) - 1)).toBeLessThan(1e-5);
    expectClose(dV, finiteDifferences(definition, V), 1e-5);
  });

  it('softmax with label smoothing', () => {
    const targets = [1, 0, 2];
    const logits = draws(9, 'logits');
    const loss = (x: Float64Array) =>
      targets.reduce((sum, target, i) => {
        const row = [...rowOf(x, i)];
        const total = Math.log(row.reduce((a, b) => a + Math.exp(b), 0));
        return sum + row.reduce((a, b, j) => a + (0.1 + (j === target ? 0.7 : 0)) * (total - b), 0) / 3;
      }, 0);
    // Three classes have 0.1 each of 0.3.
    const found = losses.softmax(matrix(logits, 3), labelTensor(targets), 0.3);
    expect(scalarOf(found.loss)).toBeCloseTo(loss(logits), 5);
    expectClose(found.dV, finiteDifferences(loss, logits), 1e-5);
  });
});

describe('SupCon', () => {
  // One axis a class, and a temperature at which exp(−1/T) is nothing.
  const clusters = (labels: readonly number[]) =>
    matrix(
      labels.flatMap((label) => [0, 1, 2].map((axis) => (axis === label ? 1 : 0))),
      3,
    );

  it('has no excess for perfect clusters, with a class of one row among them', () => {
    const labels = [0, 0, 0, 0, 1, 1, 2];
    const { loss, excess } = supconGradient(clusters(labels), labelTensor(labels), 0.01);
    // ln 3 for the four of class 0, ln 1 for the two of class 1, nothing for the one without positives.
    expect(scalarOf(loss)).toBeCloseTo((4 * Math.log(3)) / 7, 5);
    expect(scalarOf(excess)).toBeCloseTo(0, 5);
  });

  it('has the excess ln (B − 1) − ln |P| of each row with positives for collapsed embeddings', () => {
    const { excess } = supconGradient(clusters([0, 0, 0, 0, 0]), labelTensor([0, 0, 0, 1, 2]), 0.5);
    expect(scalarOf(excess)).toBeCloseTo((3 * (Math.log(4) - Math.log(2))) / 5, 5);
  });

  it('has neither loss nor gradient for a single row', () => {
    const { loss, dV } = supconGradient(matrix([0.6, 0.8], 2), labelTensor([4]), 0.1);
    expect([scalarOf(loss), ...dV.dataSync()]).toEqual([0, 0, 0]);
  });
});

describe('triplet', () => {
  it('has no gradient towards a positive in the same place', () => {
    const { loss, dV } = tripletGradient(matrix([1, 0, 1, 0, 0, 1], 2), labelTensor([0, 0, 1]), 1.5);
    // Rows 0 and 1 see d(p) = 0 and d(n) = √2; row 2 has no positive.
    expect(scalarOf(loss)).toBeCloseTo((2 * (1.5 - Math.SQRT2)) / 3, 5);
    const s = Math.SQRT1_2 / 3;
    expectClose(dV, [-s, s, -s, s, 2 * s, -2 * s], 1e-5);
  });
});

describe('label smoothing', () => {
  it('leaves right answers alone, and is not there at 0', () => {
    const logits = matrix([0, 1, 2, 2, 1, 0, 3, 3.5, 1], 3);
    const of = (smoothing?: number) =>
      softmaxCrossEntropy(logits, labelTensor([2, 0, 0]), {
        globalCount: 3,
        ...(smoothing === undefined ? {} : { smoothing }),
      });
    expect(scalarOf(of(0.9).correct)).toBe(2);
    expect(scalarOf(of(0.9).loss)).toBeGreaterThan(scalarOf(of().loss));
    expect(scalarOf(of(0).loss)).toBe(scalarOf(of().loss));
  });
});
