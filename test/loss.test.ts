import type { Tensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs-node-gpu';
import { describe, expect, it } from 'vitest';
import { tf } from '../src/shared/engine/tensorflow.js';
import { crossEntropy } from '../src/shared/loss/cross-entropy.js';
import { l2normalize } from '../src/shared/loss/normalize.js';
import { npairs, npairsGradient } from '../src/shared/loss/npairs.js';
import { softmaxCrossEntropy, targets } from '../src/shared/loss/softmax.js';
import { dot, draws, expectClose, expectOperation, finiteDifferences } from './numeric.js';

const labelTensor = (labels: readonly number[]) => tf.tensor1d([...labels], 'int32');
const matrix = (values: ArrayLike<number>, columns: number) =>
  tf.tensor(Float32Array.from(values), [values.length / columns, columns]) as Tensor2D;
const scalarOf = (scalar: Tensor) => scalar.dataSync()[0]!;

/** ln Σ exp, in float64. */
function logSumExp(values: readonly number[]): number {
  const largest = Math.max(...values);
  return largest + Math.log(values.reduce((sum, value) => sum + Math.exp(value - largest), 0));
}

describe('softmax cross-entropy', () => {
  // Row 0: softmax(0, ln 2, ln 5) = (1, 2, 5)/8; row 1: all alike, 1/3 each.
  const logits = [0, Math.log(2), Math.log(5), 1, 1, 1];
  const labels = [1, 0];

  it('agrees with a calculation by hand', () => {
    const { losses, gradient } = crossEntropy(matrix(logits, 3), targets(labelTensor(labels), 3));
    expectClose(losses, [Math.log(8 / 2), Math.log(3)], 1e-6);
    expectClose(gradient, [1 / 8, 2 / 8 - 1, 5 / 8, 1 / 3 - 1, 1 / 3, 1 / 3], 1e-6);
    // 0.7 and two times 0.15.
    const smoothed = crossEntropy(matrix(logits, 3), targets(labelTensor(labels), 3, 0.45)).losses;
    const even = Math.log(8) - 0.7 * Math.log(2) - 0.15 * Math.log(5);
    expectClose(smoothed, [even, Math.log(3)], 1e-6);
  });

  it('sums over rows and divides by the count of the global batch', () => {
    const { loss, correct } = softmaxCrossEntropy(matrix(logits, 3), labelTensor(labels), { globalCount: 8 });
    expect(scalarOf(loss)).toBeCloseTo((Math.log(4) + Math.log(3)) / 8, 6);
    // Row 0's largest logit is the third; of row 1's equal ones the first counts.
    expect(scalarOf(correct)).toBe(1);
    // (softmax − onehot)/8, by hand.
    const gradient = tf.grad(
      (x) => softmaxCrossEntropy(x as Tensor2D, labelTensor(labels), { globalCount: 8 }).loss,
    )(matrix(logits, 3));
    const expected = [1 / 8, 2 / 8 - 1, 5 / 8, 1 / 3 - 1, 1 / 3, 1 / 3].map((value) => value / 8);
    expectClose(gradient, expected, 1e-6);
  });

  it('agrees with finite differences', () => {
    const labels = [2, 0, 3, 3, 1];
    const rows = (x: Float64Array) =>
      labels.map((label, i) => {
        const row = [...x.subarray(4 * i, 4 * i + 4)];
        return logSumExp(row) - row[label]!;
      });
    expectOperation({
      op: (x: Tensor2D) => softmaxCrossEntropy(x, labelTensor(labels), { globalCount: 12 }).loss,
      reference: (x) => [rows(x!).reduce((a, b) => a + b) / 12],
      shapes: [[5, 4]],
    });
  });

  it('parts of a batch add up to the whole', () => {
    const x = draws(6 * 10, 'logits');
    const labels = [0, 9, 3, 3, 7, 1];
    const part = (from: number, to: number) => {
      const of = (x: Tensor) =>
        softmaxCrossEntropy(x as Tensor2D, labelTensor(labels.slice(from, to)), { globalCount: 6 }).loss;
      const logits = matrix(x.subarray(10 * from, 10 * to), 10);
      return { loss: scalarOf(of(logits)), gradient: [...tf.grad(of)(logits).dataSync()] };
    };
    const [whole, first, second] = [part(0, 6), part(0, 2), part(2, 6)];
    expect(first.loss + second.loss).toBeCloseTo(whole.loss, 6);
    expect([...first.gradient, ...second.gradient]).toEqual(whole.gradient);
  });

  it('stays finite for large logits', () => {
    const logits = matrix([1e4, 0, 0, 1e4], 2);
    const { losses, gradient } = crossEntropy(logits, targets(labelTensor([0, 0]), 2));
    expectClose(losses, [0, 1e4], 0);
    expectClose(gradient, [0, 0, -1, 1], 0);
  });
});

describe('l2normalize', () => {
  it('gives rows of length 1, and their gradient', () => {
    expectOperation({
      op: (x: Tensor2D) => l2normalize(x),
      reference: (x) =>
        x!.map((value, i) => {
          const row = x!.subarray(3 * Math.floor(i / 3), 3 * Math.floor(i / 3) + 3);
          return value / Math.sqrt(dot(row, row));
        }),
      shapes: [[4, 3]],
    });
  });

  it('leaves a zero row zero, with gradient zero', () => {
    const x = matrix([0, 0, 3, 4], 2);
    expectClose(l2normalize(x), [0, 0, 0.6, 0.8], 1e-6);
    // Row 1, dv = (1, 1): (dv − v·(v·dv))/5 = ((1, 1) − 1.4·(0.6, 0.8))/5 = (0.032, −0.024).
    expectClose(tf.grad((x) => tf.sum(l2normalize(x as Tensor2D)))(x), [0, 0, 0.032, -0.024], 1e-5);
  });
});

/** L in float64, as written in tfa.losses.npairs_loss, with the temperature. */
function reference(V: Float64Array, labels: readonly number[], temperature: number): number {
  const batch = labels.length;
  const width = V.length / batch;
  const row = (i: number) => V.subarray(i * width, (i + 1) * width);
  let sum = 0;
  for (let i = 0; i < batch; i++) {
    const similarities = labels.map((_, j) => dot(row(i), row(j)) / temperature);
    const own = similarities.filter((_, j) => labels[j] === labels[i]);
    sum += logSumExp(similarities) - own.reduce((a, b) => a + b) / own.length;
  }
  return sum / batch;
}

function unitRows(count: number, width: number): Float64Array {
  const rows = draws(count * width, 'rows');
  return rows.map((value, i) => {
    const from = width * Math.floor(i / width);
    const row = rows.subarray(from, from + width);
    return Math.fround(value / Math.sqrt(dot(row, row)));
  });
}

describe('n-pairs', () => {
  it('agrees with a calculation by hand', () => {
    // v0 = v1 = (1, 0) of class 0 and v2 = (0, 1) of class 1; T = 1/2. S = V·Vᵀ/T has the rows
    // (2, 2, 0), (2, 2, 0), (0, 0, 2).
    // ℓ0 = ℓ1 = ln(2e² + 1) − (2 + 2)/2, with n = 2, the row itself included; ℓ2 = ln(e² + 2) − 2, with n = 1.
    const e2 = Math.exp(2);
    const l0 = Math.log(2 * e2 + 1) - 2;
    const l2 = Math.log(e2 + 2) - 2;
    const loss = (2 * l0 + l2) / 3;
    // mean ln n = (ln 2 + ln 2 + ln 1)/3.
    const excess = loss - (2 * Math.log(2)) / 3;
    // G = (P − Y)/(B·T), B·T = 3/2. P's rows: (e², e², 1)/(2e² + 1) twice, (1, 1, e²)/(e² + 2).
    // Y's rows: (1/2, 1/2, 0) twice, (0, 0, 1).
    const a = e2 / (2 * e2 + 1) - 1 / 2; // G00 = G01 = G10 = G11, times B·T
    const b = 1 / (2 * e2 + 1); // G02 = G12
    const c = 1 / (e2 + 2); // G20 = G21
    const d = e2 / (e2 + 2) - 1; // G22
    // (G + Gᵀ)·V: row 0 is 2a·v0 + 2a·v1 + (b + c)·v2 = (4a, b + c), row 1 the same;
    // row 2 is (b + c)·(v0 + v1) + 2d·v2 = (2(b + c), 2d).
    const expected = [4 * a, b + c, 4 * a, b + c, 2 * (b + c), 2 * d].map((value) => value / 1.5);

    const found = npairsGradient(matrix([1, 0, 1, 0, 0, 1], 2), labelTensor([0, 0, 1]), 0.5);
    expect(scalarOf(found.loss)).toBeCloseTo(loss, 6);
    expect(scalarOf(found.excess)).toBeCloseTo(excess, 6);
    expectClose(found.dV, expected, 1e-6);
    expect(scalarOf(npairs(matrix([1, 0, 1, 0, 0, 1], 2), labelTensor([0, 0, 1]), 0.5))).toBeCloseTo(loss, 6);
  });

  it.each([
    { name: 'classes of several sizes', labels: [3, 1, 3, 3, 0, 1, 7], temperature: 0.5 },
    { name: 'one class', labels: [2, 2, 2, 2], temperature: 1 },
    { name: 'every row a class of its own', labels: [0, 1, 2, 3, 4], temperature: 0.2 },
    { name: 'a low temperature', labels: [0, 1, 0, 1, 0, 0, 2, 2], temperature: 0.05 },
  ])('agrees with finite differences: $name', ({ labels, temperature }) => {
    const V = unitRows(labels.length, 4);
    const { loss, dV } = npairsGradient(matrix(V, 4), labelTensor(labels), temperature);
    const expected = reference(V, labels, temperature);
    expect(Math.abs(scalarOf(loss) - expected)).toBeLessThan(1e-5 * expected);
    expectClose(
      dV,
      finiteDifferences((x) => reference(x, labels, temperature), V),
      1e-5,
    );
  });

  it('in closed form agrees with what tfjs differentiates', () => {
    const labels = Array.from({ length: 40 }, (_, i) => (i * 7) % 10);
    const V = matrix(unitRows(40, 16), 16);
    const closed = npairsGradient(V, labelTensor(labels), 0.1);
    const { value, grad } = tf.valueAndGrad((V) => npairs(V as Tensor2D, labelTensor(labels), 0.1))(V);
    expect(scalarOf(closed.loss)).toBeCloseTo(scalarOf(value), 5);
    expectClose(closed.dV, grad.dataSync(), 1e-5);
  });

  it('has no excess for perfect clusters, and ln B − mean ln n for collapsed embeddings', () => {
    const labels = [0, 0, 0, 1, 1, 2] as const;
    // One axis for each class; a temperature at which exp(−1/T) is nothing.
    const clusters = labels.flatMap((label) => [0, 1, 2].map((axis) => (axis === label ? 1 : 0)));
    const perfect = npairsGradient(matrix(clusters, 3), labelTensor(labels), 0.01);
    expect(scalarOf(perfect.excess)).toBeCloseTo(0, 5);
    const collapsed = npairsGradient(
      matrix(
        labels.flatMap(() => [1, 0, 0]),
        3,
      ),
      labelTensor(labels),
      0.5,
    );
    const meanLogCount = (3 * Math.log(3) + 2 * Math.log(2) + Math.log(1)) / 6;
    expect(scalarOf(collapsed.loss)).toBeCloseTo(Math.log(6), 5);
    expect(scalarOf(collapsed.excess)).toBeCloseTo(Math.log(6) - meanLogCount, 5);
  });

  it('does not depend on the order of the rows', () => {
    const labels = [3, 1, 3, 3, 0, 1, 7];
    const V = unitRows(7, 4);
    const order = [4, 2, 6, 0, 1, 5, 3];
    const plain = npairsGradient(matrix(V, 4), labelTensor(labels), 0.3);
    const moved = npairsGradient(
      tf.gather(matrix(V, 4), order) as Tensor2D,
      tf.gather(labelTensor(labels), order) as Tensor1D,
      0.3,
    );
    expect(scalarOf(moved.loss)).toBeCloseTo(scalarOf(plain.loss), 5);
    expectClose(moved.dV, tf.gather(plain.dV, order).dataSync(), 1e-5);
  });
});
