/** Numbers as people read them, and lines that fit a terminal. */

/** Four significant figures, with an exponent only for the very small: 2.303, 0.01234, 1234, 1.2e-7. */
export function figures(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (size >= 1000) return value.toFixed(0);
  if (size !== 0 && size < 1e-4) return value.toExponential(1);
  return value.toPrecision(4);
}

/** A fraction from 0 to 1 as percent, with two decimals: a step of CIFAR-10's accuracy is 0.01 %. */
export function percent(fraction: number): string {
  return Number.isFinite(fraction) ? `${(100 * fraction).toFixed(2)} %` : String(fraction);
}

/** Seconds as 0:42, 3:05 or 2:07:31. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const minutes = Math.floor(whole / 60);
  const two = (value: number) => String(value).padStart(2, '0');
  return minutes < 60
    ? `${minutes}:${two(whole % 60)}`
    : `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(whole % 60)}`;
}

/** Joins as many of the leading parts as fit in `width` characters; the first is cut if even it doesn't fit. */
export function fitting(parts: readonly string[], width: number): string {
  let line = '';
  for (const part of parts) {
    const longer = line === '' ? part : `${line}  ${part}`;
    if (longer.length > width) break;
    line = longer;
  }
  return line === '' ? (parts[0] ?? '').slice(0, Math.max(0, width)) : line;
}
