/** Least squares for a few parameters, with their standard errors: Levenberg and Marquardt's method. */

export interface Fit {
  readonly parameters: readonly number[];
  /** s²·(JᵀJ)⁻¹; null where there are no more values than parameters, so that nothing says how far off they are. */
  readonly covariance: readonly (readonly number[])[] | null;
  /** Values less parameters. */
  readonly freedom: number;
  /** s, the root of the sum of squares over the degrees of freedom; 0 without any. */
  readonly residual: number;
}

export function standardErrors({ covariance, parameters }: Fit): readonly number[] | null {
  return covariance === null ? null : parameters.map((_, i) => Math.sqrt(Math.max(0, covariance[i]![i]!)));
}

/**
 * Minimises the sum of squares of residuals.
 * @param residuals of parameters, as many values for any of them
 * @param start near enough for the sum of squares to fall towards the least one
 * @throws RangeError when there are fewer values than parameters, or the values don't determine them
 */
export function leastSquares(
  residuals: (parameters: readonly number[]) => readonly number[],
  start: readonly number[],
): Fit {
  let parameters = [...start];
  let values = residuals(parameters);
  const freedom = values.length - parameters.length;
  if (freedom < 0) throw new RangeError(`${values.length} values don't determine ${start.length} parameters`);
  let damping = 1e-3;
  for (let round = 0; round < 500; round += 1) {
    const jacobian = derivatives(residuals, parameters);
    const normal = product(jacobian);
    const gradient = parameters.map((_, i) =>
      jacobian.reduce((sum, row, n) => sum + row[i]! * values[n]!, 0),
    );
    const damped = normal.map((row, i) => row.map((v, j) => (i === j ? v * (1 + damping) : v)));
    const step = inverse(damped).map((row) => -row.reduce((sum, v, j) => sum + v * gradient[j]!, 0));
    const next = parameters.map((value, i) => value + step[i]!);
    const nextValues = residuals(next);
    if (squares(nextValues) <= squares(values)) {
      const still = step.every((change, i) => Math.abs(change) <= 1e-12 * (Math.abs(next[i]!) + 1e-12));
      parameters = next;
      values = nextValues;
      damping = Math.max(1e-12, damping / 10);
      if (still) break;
    } else {
      damping *= 10;
      if (damping > 1e12) break;
    }
  }
  const variance = freedom === 0 ? 0 : squares(values) / freedom;
  const spread = inverse(product(derivatives(residuals, parameters)));
  const covariance = freedom === 0 ? null : spread.map((row) => row.map((value) => value * variance));
  return { parameters, covariance, freedom, residual: Math.sqrt(variance) };
}

/** Of each residual by each parameter, by central differences. */
function derivatives(
  residuals: (parameters: readonly number[]) => readonly number[],
  at: readonly number[],
): number[][] {
  const columns = at.map((value, i) => {
    const h = 1e-6 * Math.max(Math.abs(value), 1e-3);
    const moved = (by: number) => residuals(at.map((v, j) => (j === i ? v + by : v)));
    const [up, down] = [moved(h), moved(-h)];
    return up.map((v, n) => (v - down[n]!) / (2 * h));
  });
  return columns[0]!.map((_, n) => columns.map((column) => column[n]!));
}

/** JᵀJ */
function product(jacobian: readonly (readonly number[])[]): number[][] {
  const width = jacobian[0]!.length;
  return Array.from({ length: width }, (_, i) =>
    Array.from({ length: width }, (_, j) => jacobian.reduce((sum, row) => sum + row[i]! * row[j]!, 0)),
  );
}

/** By Gauss and Jordan, after scaling rows and columns to ones on the diagonal. @throws RangeError when singular */
function inverse(matrix: readonly (readonly number[])[]): number[][] {
  const size = matrix.length;
  const scale = matrix.map((row, i) => 1 / Math.sqrt(row[i]!));
  const rows = matrix.map((row, i) => [
    ...row.map((v, j) => v * scale[i]! * scale[j]!),
    ...matrix.map((_, j) => (i === j ? 1 : 0)),
  ]);
  for (let column = 0; column < size; column += 1) {
    let pivot = column;
    for (let i = column + 1; i < size; i += 1) {
      if (Math.abs(rows[i]![column]!) > Math.abs(rows[pivot]![column]!)) pivot = i;
    }
    [rows[column], rows[pivot]] = [rows[pivot]!, rows[column]!];
    const lead = rows[column]![column]!;
    if (!(Math.abs(lead) > 1e-13)) throw new RangeError("The values don't determine all parameters");
    rows[column] = rows[column]!.map((v) => v / lead);
    for (let i = 0; i < size; i += 1) {
      const factor = rows[i]![column]!;
      if (i !== column) rows[i] = rows[i]!.map((v, j) => v - factor * rows[column]![j]!);
    }
  }
  return rows.map((row, i) => row.slice(size).map((v, j) => v * scale[i]! * scale[j]!));
}

function squares(values: readonly number[]): number {
  const sum = values.reduce((total, value) => total + value * value, 0);
  return Number.isNaN(sum) ? Number.POSITIVE_INFINITY : sum;
}
