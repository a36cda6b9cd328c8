/** Mean and standard deviation of features that lie in blocks, and what they have to be scaled by. */

/** A block's means and its squared deviations from them, summed, for each feature; of `count` rows. */
export interface BlockMoments {
  readonly count: number;
  readonly means: ArrayLike<number>;
  readonly deviations: ArrayLike<number>;
}

export interface Standardization {
  /** What is subtracted: the mean over all rows. */
  readonly shift: Float32Array;
  /** What the rest is multiplied by: 1/σ, and 0 where a feature hardly varies. */
  readonly scale: Float32Array;
}

/** Below this share of a feature's mean its deviation is the rounding of float32. */
const constant = 1e-6;

/** Blocks in their order: Chan, Golub and LeVeque's formula for the moments of a union ("Updating Formulae", 1979). */
export function standardization(blocks: readonly BlockMoments[]): Standardization {
  const width = blocks[0]!.means.length;
  const mean = new Float64Array(width);
  const squares = new Float64Array(width);
  let rows = 0;
  for (const { count, means, deviations } of blocks) {
    const together = rows + count;
    for (let f = 0; f < width; f += 1) {
      const apart = means[f]! - mean[f]!;
      mean[f]! += (apart * count) / together;
      squares[f]! += deviations[f]! + apart * apart * ((rows * count) / together);
    }
    rows = together;
  }
  const scale = squares.map((sum, f) => {
    const deviation = Math.sqrt(sum / rows);
    return deviation > constant * Math.abs(mean[f]!) ? 1 / deviation : 0;
  });
  return { shift: Float32Array.from(mean), scale: Float32Array.from(scale) };
}
