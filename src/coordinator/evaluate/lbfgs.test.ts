import { describe, expect, it } from 'vitest';
import { type Evaluated, minimize } from './lbfgs.js';

const options = { maxIterations: 200, tolerance: 1e-9, noise: 0 };

/** Σ d_i/2·(x_i − i)² with curvatures from 1 to 100. */
const curvatures = Float64Array.from({ length: 20 }, (_, i) => 10 ** ((2 * i) / 19));
const quadratic = async (x: Float64Array): Promise<Evaluated> => {
  const gradient = x.map((value, i) => curvatures[i]! * (value - i));
  return { value: gradient.reduce((sum, g, i) => sum + (g * (x[i]! - i)) / 2, 0), gradient };
};

describe('L-BFGS', () => {
  it('finds the minimum of an ill-conditioned quadratic', async () => {
    const { at, iterations, converged } = await minimize(quadratic, new Float64Array(20), options);
    expect(converged).toBe(true);
    for (const [i, x] of at.entries()) expect(x).toBeCloseTo(i, 7);
    // Gradient descent takes more than 1,000.
    expect(iterations).toBeLessThan(100);
  });

  it("finds that of a function that is not quadratic: ln(e^x + e^−x) + y⁴, from where Newton's step overshoots", async () => {
    const f = async ([x = 0, y = 0]: Float64Array): Promise<Evaluated> => ({
      value: Math.log(Math.exp(x) + Math.exp(-x)) + y ** 4,
      gradient: Float64Array.of(Math.tanh(x), 4 * y ** 3),
    });
    const found = await minimize(f, Float64Array.of(5, 1), options);
    expect(found.converged).toBe(true);
    expect(found.value).toBeCloseTo(Math.log(2), 9);
  });

  it('says when it has come to no end', async () => {
    const few = await minimize(quadratic, new Float64Array(20), { ...options, maxIterations: 3 });
    expect(few).toMatchObject({ iterations: 3, converged: false });
    const lost = async () => ({ value: Number.NaN, gradient: Float64Array.of(Number.NaN, 1) });
    expect(await minimize(lost, new Float64Array(2), options)).toMatchObject({ converged: false });
    // A gradient that leads nowhere: no step brings the decrease that it promises.
    const flat = async () => ({ value: 1, gradient: Float64Array.of(1, 1) });
    expect(await minimize(flat, new Float64Array(2), options)).toMatchObject({
      iterations: 0,
      converged: false,
    });
  });
});
