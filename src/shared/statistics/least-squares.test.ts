import { describe, expect, it } from 'vitest';
import { parameterDraws } from './draws.js';
import { leastSquares, standardErrors } from './least-squares.js';

/** python: scipy.optimize.curve_fit(f, x, y, p0), numpy.sqrt(numpy.diag(covariance)) */
function near(found: readonly number[] | null, expected: readonly number[]): void {
  expect(found).toHaveLength(expected.length);
  for (const [i, value] of expected.entries()) expect(found![i]).toBeCloseTo(value, 6);
}

describe('least squares', () => {
  it('fit a line as scipy does', () => {
    const y = [3.1, 4.9, 7.2, 8.8, 11.1];
    const fit = leastSquares(([a, b]) => y.map((v, i) => v - a! - b! * (i + 1)), [0, 0]);
    near(fit.parameters, [1.05, 1.99]);
    near(standardErrors(fit), [0.198074054, 0.059721575]);
    expect(fit.freedom).toBe(3);
  });

  it('fit a curve as scipy does', () => {
    const y = [10.1, 6.2, 3.6, 2.3, 1.3, 0.85];
    const fit = leastSquares(([a, k]) => y.map((v, x) => v - a! * Math.exp(-k! * x)), [5, 1]);
    near(fit.parameters, [10.120606764, 0.503003021]);
    near(standardErrors(fit), [0.07369731, 0.006825268]);
  });

  it('have no errors where there are no more values than parameters', () => {
    const fit = leastSquares(([a, b]) => [1, 3].map((v, i) => v - a! - b! * i), [0, 0]);
    near(fit.parameters, [1, 2]);
    expect(fit).toMatchObject({ covariance: null, freedom: 0, residual: 0 });
  });

  it('say so when the values do not determine the parameters', () => {
    expect(() => leastSquares(([a]) => [a! - 1], [0, 0])).toThrow(/don't determine 2/);
    expect(() => leastSquares(([a, b]) => [1, 2, 3].map((v) => v - a! - b!), [0, 0])).toThrow(/determine/);
  });

  it('give draws with the covariance of the fit', () => {
    const covariance = [
      [4, 1.5],
      [1.5, 1],
    ];
    const fit = { parameters: [10, 20], covariance, freedom: 1000, residual: 1 };
    const draws = parameterDraws(fit, 4000);
    const mean = (of: (draw: readonly number[]) => number) =>
      draws.reduce((sum, draw) => sum + of(draw), 0) / draws.length;
    expect(mean(([a]) => a!)).toBeCloseTo(10, 0);
    expect(mean(([a]) => (a! - 10) ** 2)).toBeCloseTo(4, 0);
    expect(mean(([a, b]) => (a! - 10) * (b! - 20))).toBeCloseTo(1.5, 0);
  });
});
