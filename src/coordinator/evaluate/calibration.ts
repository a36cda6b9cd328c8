/**
 * Whether a model is as often right as it is sure: reliability diagram and expected calibration error, as Guo et al.
 * ("On Calibration of Modern Neural Networks", ICML 2017) define them.
 */

export interface ReliabilityBin {
  /** Confidences in (from, to]. */
  readonly from: number;
  readonly to: number;
  readonly count: number;
  /** Mean confidence of the images in it; null without any. */
  readonly confidence: number | null;
  /** How many of them are right, 0 to 1; null without any. */
  readonly accuracy: number | null;
}

export interface Calibration {
  /** Bins of equal width. */
  readonly bins: readonly ReliabilityBin[];
  /** Σ count/n · |accuracy − confidence|. */
  readonly ece: number;
}

/** As many as Guo et al. take. */
export const reliabilityBins = 15;

/** @param confidence the probability of the predicted class, in (0, 1] */
export function calibration(
  confidence: Float64Array,
  right: readonly boolean[],
  bins = reliabilityBins,
): Calibration {
  const sums = Array.from({ length: bins }, () => ({ count: 0, confidence: 0, right: 0 }));
  for (const [i, value] of confidence.entries()) {
    // Of a diverged model nothing is a number, and nothing comes to one.
    const place = Number.isFinite(value) ? Math.ceil(value * bins) - 1 : 0;
    const bin = sums[Math.min(bins - 1, Math.max(0, place))]!;
    bin.count += 1;
    bin.confidence += value;
    bin.right += right[i] ? 1 : 0;
  }
  const ece = sums.reduce((sum, bin) => sum + Math.abs(bin.right - bin.confidence), 0) / confidence.length;
  return {
    ece,
    bins: sums.map((bin, b) => ({
      from: b / bins,
      to: (b + 1) / bins,
      count: bin.count,
      confidence: bin.count === 0 ? null : bin.confidence / bin.count,
      accuracy: bin.count === 0 ? null : bin.right / bin.count,
    })),
  };
}
