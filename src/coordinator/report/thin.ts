/** Long curves thinned for drawing: bins of equally many steps, each with its lowest, middle and highest value. */

export interface Sample {
  readonly x: number;
  readonly y: number;
}

export interface Bin {
  /** The middle of the samples' x. */
  readonly x: number;
  readonly min: number;
  readonly median: number;
  readonly max: number;
  /** Samples with a finite value; none leaves a gap in the curve. */
  readonly count: number;
}

/**
 * At most `most` bins of `samples`, which are in the order of x. As many samples as bins, or fewer, stay as they are.
 * Values that are not finite are left out; a bin of nothing else has NaN for its values.
 */
export function thin(samples: readonly Sample[], most: number): Bin[] {
  const bins = Math.min(samples.length, Math.max(1, Math.floor(most)));
  return Array.from({ length: bins }, (_, index) => {
    const from = Math.floor((index * samples.length) / bins);
    const end = Math.floor(((index + 1) * samples.length) / bins);
    const part = samples.slice(from, end);
    const values = part.flatMap(({ y }) => (Number.isFinite(y) ? [y] : [])).sort((a, b) => a - b);
    return {
      x: (part[0]!.x + part.at(-1)!.x) / 2,
      min: values[0] ?? Number.NaN,
      median: quantile(values, 0.5),
      max: values.at(-1) ?? Number.NaN,
      count: values.length,
    };
  });
}

/** Of ascending values, with linear interpolation between two of them; NaN of none. */
export function quantile(sorted: readonly number[], share: number): number {
  if (sorted.length === 0) return Number.NaN;
  const place = (sorted.length - 1) * share;
  const below = Math.floor(place);
  const low = sorted[below]!;
  const high = sorted[Math.min(below + 1, sorted.length - 1)]!;
  return low + (high - low) * (place - below);
}

/** Of the finite ones; NaN of none. */
export function median(values: readonly number[]): number {
  return quantile(
    values.filter((value) => Number.isFinite(value)).sort((a, b) => a - b),
    0.5,
  );
}
