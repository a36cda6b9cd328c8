/** How long a message takes over a link, t(n) = a + n/b, fitted to measured times: Hockney's model. */

/** The time of a message of one size, one way. */
export interface LinkPoint {
  readonly bytes: number;
  readonly ms: number;
}

/** A link's latency a and bandwidth b, with their standard errors. */
export interface LinkModel {
  readonly latencyMs: number;
  readonly latencyStandardErrorMs: number;
  readonly bytesPerSecond: number;
  readonly bytesPerSecondStandardError: number;
  /** The root mean square of (measured − model) / measured: how well the model fits. */
  readonly relativeResidual: number;
}

/**
 * Least squares over relative errors: noise grows with the time, and sizes reach over six decades, so absolute ones would
 * leave the latency to chance. The standard errors are those of weighted least squares with the weights 1/t² and the
 * variance estimated from the residuals (n − 2 degrees of freedom); that of b = 1/slope is by the delta method.
 *
 * @returns undefined for fewer than three points or two sizes, or where time does not grow with size
 * @throws RangeError for a size that is negative or a time that is not above 0
 */
export function fitLink(points: readonly LinkPoint[]): LinkModel | undefined {
  for (const { bytes, ms } of points) {
    if (!(bytes >= 0 && ms > 0)) throw new RangeError(`${bytes} bytes in ${ms} ms is no measurement`);
  }
  if (points.length < 3) return undefined;
  let [w, wx, wy, wxx, wxy] = [0, 0, 0, 0, 0];
  for (const { bytes: x, ms: y } of points) {
    const weight = 1 / y ** 2;
    w += weight;
    wx += weight * x;
    wy += weight * y;
    wxx += weight * x * x;
    wxy += weight * x * y;
  }
  const determinant = w * wxx - wx * wx;
  // Of equal sizes only rounding is left.
  if (determinant <= 1e-12 * w * wxx) return undefined;
  const slope = (w * wxy - wx * wy) / determinant;
  if (slope <= 0) return undefined;
  const latencyMs = (wy - slope * wx) / w;
  const squares = points.reduce(
    (sum, { bytes, ms }) => sum + ((ms - latencyMs - slope * bytes) / ms) ** 2,
    0,
  );
  const variance = squares / (points.length - 2);
  const msPerSecond = 1000;
  return {
    latencyMs,
    latencyStandardErrorMs: Math.sqrt((variance * wxx) / determinant),
    bytesPerSecond: msPerSecond / slope,
    bytesPerSecondStandardError: (msPerSecond * Math.sqrt((variance * w) / determinant)) / slope ** 2,
    relativeResidual: Math.sqrt(squares / points.length),
  };
}

/** The time that the model gives a message, one way. */
export function linkMs(
  { latencyMs, bytesPerSecond }: Pick<LinkModel, 'latencyMs' | 'bytesPerSecond'>,
  bytes: number,
): number {
  return latencyMs + (bytes / bytesPerSecond) * 1000;
}
