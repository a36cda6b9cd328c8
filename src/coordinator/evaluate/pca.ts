/** The two directions in which rows vary most: principal components, by block power iteration with Rayleigh-Ritz. */
import { normal } from '../../shared/random/keyed.js';
import type { Rows } from './rows.js';

export interface Components {
  /** Each row's place along them, [n,2]. */
  readonly points: Float64Array;
  /** Each one's share of the whole variance. */
  readonly explained: readonly [number, number];
}

/** Vectors that are iterated: more than what ten classes spread over, since what counts is the gap to those left out. */
const block = 12;
const mostIterations = 200;
/** How little the variances may still change, as a share of the largest. */
const tolerance = 1e-9;

/** The sign of a component is that which makes its largest entry positive. Points are in the units of the rows. */
export function principalComponents({ values, width }: Rows): Components {
  const rows = values.length / width;
  const centred = withoutMean(values, width);
  const total = dot(centred, centred);
  const count = Math.min(block, width);
  let basis = orthonormal(
    Array.from({ length: count }, (_, v) =>
      Float64Array.from({ length: width }, (_, f) => normal(0, 'pca', v, f)),
    ),
  );
  let variances: readonly number[] = [];
  for (let iteration = 0; iteration < mostIterations; iteration += 1) {
    const images = basis.map((vector) => transposedTimes(centred, times(centred, vector, rows), width));
    const before = variances;
    const rotation = eigen(basis.map((vector) => images.map((image) => dot(vector, image))));
    variances = rotation.map(({ value }) => value);
    basis = rotation.map(({ vector }) => combination(basis, vector));
    const change = variances.map((value, i) => Math.abs(value - (before[i] ?? 0)));
    if (Math.max(...change.slice(0, 2)) <= tolerance * variances[0]!) break;
    basis = orthonormal(rotation.map(({ vector }) => combination(images, vector)));
  }
  const points = new Float64Array(rows * 2);
  for (const [axis, vector] of basis.slice(0, 2).entries()) {
    const largest = vector.reduce((best, value) => (Math.abs(value) > Math.abs(best) ? value : best), 0);
    const along = times(centred, vector, rows);
    for (let row = 0; row < rows; row += 1) points[row * 2 + axis] = along[row]! * Math.sign(largest);
  }
  const share = (i: number) => (total > 0 ? (variances[i] ?? 0) / total : 0);
  return { points, explained: [share(0), share(1)] };
}

function withoutMean(values: Float32Array, width: number): Float64Array {
  const rows = values.length / width;
  const mean = new Float64Array(width);
  for (let i = 0; i < values.length; i += 1) mean[i % width]! += values[i]! / rows;
  return Float64Array.from(values, (value, i) => value - mean[i % width]!);
}

interface Eigenpair {
  readonly value: number;
  readonly vector: readonly number[];
}

/** Eigenvalues of a small symmetric matrix and their vectors, the largest first, by Jacobi's rotations. */
function eigen(symmetric: readonly (readonly number[])[]): Eigenpair[] {
  const a = symmetric.map((row) => [...row]);
  const n = a.length;
  const v = a.map((_, i) => a.map((_, j) => (i === j ? 1 : 0)));
  for (let sweep = 0; sweep < 50; sweep += 1) {
    for (let p = 0; p < n; p += 1) {
      for (let q = p + 1; q < n; q += 1) {
        const off = a[p]![q]!;
        if (off === 0) continue;
        const theta = (a[q]![q]! - a[p]![p]!) / (2 * off);
        const t = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1));
        const c = 1 / Math.sqrt(t * t + 1);
        const s = t * c;
        for (const m of [a, v]) {
          for (let k = 0; k < n; k += 1) {
            const [x, y] = [m[k]![p]!, m[k]![q]!];
            m[k]![p] = c * x - s * y;
            m[k]![q] = s * x + c * y;
          }
        }
        for (let k = 0; k < n; k += 1) {
          const [x, y] = [a[p]![k]!, a[q]![k]!];
          a[p]![k] = c * x - s * y;
          a[q]![k] = s * x + c * y;
        }
      }
    }
  }
  return a
    .map((row, i): Eigenpair => ({ value: row[i]!, vector: v.map((entries) => entries[i]!) }))
    .sort((x, y) => y.value - x.value);
}

/** Gram and Schmidt's, twice: once is not enough for vectors that are nearly parallel. */
function orthonormal(vectors: readonly Float64Array[]): Float64Array[] {
  const done: Float64Array[] = [];
  for (const vector of vectors) {
    for (let pass = 0; pass < 2; pass += 1) {
      for (const other of done) addTo(vector, -dot(vector, other), other);
    }
    const length = Math.sqrt(dot(vector, vector));
    done.push(length > 0 ? vector.map((value) => value / length) : vector);
  }
  return done;
}

function combination(vectors: readonly Float64Array[], factors: readonly number[]): Float64Array {
  const sum = new Float64Array(vectors[0]!.length);
  for (const [i, vector] of vectors.entries()) addTo(sum, factors[i]!, vector);
  return sum;
}

/** X·v, X [rows,width] */
function times(x: Float64Array, v: Float64Array, rows: number): Float64Array {
  const { length: width } = v;
  return Float64Array.from({ length: rows }, (_, row) => dot(x.subarray(row * width, (row + 1) * width), v));
}

/** Xᵀ·u */
function transposedTimes(x: Float64Array, u: Float64Array, width: number): Float64Array {
  const sum = new Float64Array(width);
  for (const [row, factor] of u.entries()) addTo(sum, factor, x.subarray(row * width, (row + 1) * width));
  return sum;
}

function addTo(x: Float64Array, factor: number, y: Float64Array): void {
  for (let i = 0; i < x.length; i += 1) x[i]! += factor * y[i]!;
}

function dot(x: Float64Array, y: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < x.length; i += 1) sum += x[i]! * y[i]!;
  return sum;
}
