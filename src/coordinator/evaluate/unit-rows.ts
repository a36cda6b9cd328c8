/** Rows of length 1, and how near they are to each other. */
import type { Rows } from './rows.js';

/** Of some rows, in their order; a row of zeros stays zero. */
export function unitRows({ values, width }: Rows, chosen: Int32Array): Rows {
  const rows = new Float32Array(chosen.length * width);
  for (const [i, row] of chosen.entries()) {
    const from = values.subarray(row * width, (row + 1) * width);
    let squares = 0;
    for (const value of from) squares += value * value;
    const factor = squares === 0 ? 0 : 1 / Math.sqrt(squares);
    for (let f = 0; f < width; f += 1) rows[i * width + f] = from[f]! * factor;
  }
  return { values: rows, width };
}

/** Products of all pairs, float32 [n,n]: of rows of length 1 their cosines. */
export function products({ values, width }: Rows): Float32Array {
  const rows = values.length / width;
  const result = new Float32Array(rows * rows);
  // Four at a time: a value that is loaded is used four times.
  for (let i = 0; i < rows; i += 1) {
    const a = i * width;
    for (let j = i; j < rows; j += 4) {
      const b = Math.min(j + 1, rows - 1);
      const c = Math.min(j + 2, rows - 1);
      const d = Math.min(j + 3, rows - 1);
      let [s0, s1, s2, s3] = [0, 0, 0, 0];
      for (let f = 0; f < width; f += 1) {
        const x = values[a + f]!;
        s0 += x * values[j * width + f]!;
        s1 += x * values[b * width + f]!;
        s2 += x * values[c * width + f]!;
        s3 += x * values[d * width + f]!;
      }
      for (const [column, sum] of [
        [j, s0],
        [b, s1],
        [c, s2],
        [d, s3],
      ] as const) {
        result[i * rows + column] = sum;
        result[column * rows + i] = sum;
      }
    }
  }
  return result;
}
