/** What the micro-batches' BatchNorm values come to over the global batch: in float64 and in order of k, so alike everywhere. */

/**
 * Means and variances of the global batch from those of its K equal parts: the variance is the mean of the parts'
 * variances and the variance of their means. No squares of large means are subtracted, so nothing cancels.
 *
 * @param rows [K, 2·C], of each micro-batch C means and C variances (divided by the count)
 * @returns [2·C], the same of all together
 */
export function combineMoments(rows: Float32Array, microBatches: number): Float32Array {
  const width = rows.length / microBatches;
  const channels = width / 2;
  const combined = new Float32Array(width);
  for (let c = 0; c < channels; c += 1) {
    let mean = 0;
    for (let k = 0; k < microBatches; k += 1) mean += rows[k * width + c]!;
    mean /= microBatches;
    let variance = 0;
    for (let k = 0; k < microBatches; k += 1) {
      const apart = rows[k * width + c]! - mean;
      variance += rows[k * width + channels + c]! + apart * apart;
    }
    combined[c] = mean;
    combined[channels + c] = variance / microBatches;
  }
  return combined;
}

/** The sums over the K rows of [K, n]. */
export function combineSums(rows: Float32Array, microBatches: number): Float32Array {
  const width = rows.length / microBatches;
  const combined = new Float32Array(width);
  for (let i = 0; i < width; i += 1) {
    let sum = 0;
    for (let k = 0; k < microBatches; k += 1) sum += rows[k * width + i]!;
    combined[i] = sum;
  }
  return combined;
}
