/** Draws of a fit's parameters as their errors would have them, always the same ones. */
import { normal } from '../random/keyed.js';
import type { Fit } from './least-squares.js';
import { studentQuantile } from './student.js';

const seed = 1;

/**
 * So many sets of parameters from the normal distribution around the fitted ones, wider by what Student's t is wider for so
 * few values. Without a covariance they are the fitted ones.
 */
export function parameterDraws({ parameters, covariance, freedom }: Fit, count: number): readonly number[][] {
  if (covariance === null) return Array.from({ length: count }, () => [...parameters]);
  const wider = studentQuantile(0.95, freedom) / 1.959963984540054;
  const root = cholesky(covariance);
  return Array.from({ length: count }, (_, draw) => {
    const drawn = parameters.map((_, i) => normal(seed, 'parameter', draw, i) * wider);
    return parameters.map(
      (value, i) => value + root[i]!.reduce((sum, factor, j) => sum + factor * drawn[j]!, 0),
    );
  });
}

/** L with L·Lᵀ = the covariance; a variance that rounding made negative counts as none. */
function cholesky(covariance: readonly (readonly number[])[]): number[][] {
  const root = covariance.map((row) => row.map(() => 0));
  for (const [i, row] of covariance.entries()) {
    for (let j = 0; j <= i; j += 1) {
      let rest = row[j]!;
      for (let k = 0; k < j; k += 1) rest -= root[i]![k]! * root[j]![k]!;
      if (i === j) root[i]![i] = Math.sqrt(Math.max(0, rest));
      else root[i]![j] = root[j]![j] === 0 ? 0 : rest / root[j]![j]!;
    }
  }
  return root;
}
