/**
 * L-BFGS (Liu and Nocedal, "On the Limited Memory BFGS Method for Large Scale Optimization", 1989; Nocedal and Wright,
 * Numerical Optimization, algorithm 7.4) with a backtracking line search, for a smooth convex function that is computed
 * elsewhere. Sums and products alone: the same bits on every machine.
 */

export interface Evaluated {
  readonly value: number;
  readonly gradient: Float64Array;
}

export interface Minimum extends Evaluated {
  readonly at: Float64Array;
  readonly iterations: number;
  /** The largest component of the gradient is within the tolerance. */
  readonly converged: boolean;
}

export interface MinimizeOptions {
  readonly maxIterations: number;
  /** Ends when no component of the gradient is larger. */
  readonly tolerance: number;
  /** How far two values of the function may differ by rounding, as a share of the value. */
  readonly noise: number;
}

/** Pairs of steps and gradient differences that are kept. */
const memory = 10;
/** How much of the expected decrease a step must bring (Armijo). */
const sufficient = 1e-4;
/** Halvings of a step before the function counts as flat. */
const mostHalvings = 30;

interface Pair {
  readonly step: Float64Array;
  readonly change: Float64Array;
  readonly rho: number;
}

export async function minimize(
  f: (x: Float64Array) => Promise<Evaluated>,
  start: Float64Array,
  { maxIterations, tolerance, noise }: MinimizeOptions,
): Promise<Minimum> {
  const pairs: Pair[] = [];
  let at = start;
  let { value, gradient } = await f(at);
  for (let iterations = 0; ; iterations += 1) {
    const converged = largest(gradient) <= tolerance;
    if (converged || iterations === maxIterations) return { at, value, gradient, iterations, converged };
    const direction = descent(gradient, pairs);
    const slope = dot(direction, gradient);
    // The first direction is the gradient itself, of any length.
    let length = pairs.length === 0 ? Math.min(1, 1 / Math.sqrt(dot(gradient, gradient))) : 1;
    let next: Evaluated | undefined;
    let reached = at;
    for (let halvings = 0; halvings <= mostHalvings; halvings += 1) {
      reached = at.map((x, i) => x + length * direction[i]!);
      const found = await f(reached);
      if (found.value <= value + sufficient * length * slope + noise * Math.abs(value)) {
        next = found;
        break;
      }
      length /= 2;
    }
    if (next === undefined) return { at, value, gradient, iterations, converged: false };
    const step = reached.map((x, i) => x - at[i]!);
    const change = next.gradient.map((g, i) => g - gradient[i]!);
    const curvature = dot(step, change);
    // Positive for a convex function, but for rounding.
    if (curvature > 1e-12 * dot(change, change)) {
      pairs.push({ step, change, rho: 1 / curvature });
      if (pairs.length > memory) pairs.shift();
    }
    at = reached;
    ({ value, gradient } = next);
  }
}

/** −H·g by the two-loop recursion. */
function descent(gradient: Float64Array, pairs: readonly Pair[]): Float64Array {
  const q = gradient.map((g) => -g);
  const alphas: number[] = [];
  for (const { step, change, rho } of [...pairs].reverse()) {
    const alpha = rho * dot(step, q);
    alphas.push(alpha);
    addTo(q, -alpha, change);
  }
  const last = pairs.at(-1);
  if (last !== undefined) {
    const scale = 1 / (last.rho * dot(last.change, last.change));
    for (const [i, value] of q.entries()) q[i] = scale * value;
  }
  for (const [i, { step, change, rho }] of pairs.entries()) {
    addTo(q, alphas[pairs.length - 1 - i]! - rho * dot(change, q), step);
  }
  return q;
}

function addTo(x: Float64Array, factor: number, y: Float64Array): void {
  for (let i = 0; i < x.length; i += 1) x[i]! += factor * y[i]!;
}

function dot(x: Float64Array, y: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < x.length; i += 1) sum += x[i]! * y[i]!;
  return sum;
}

function largest(x: Float64Array): number {
  let most = 0;
  for (const value of x) most = Math.max(most, Math.abs(value));
  return most;
}
