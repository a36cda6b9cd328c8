/** A row of block characters that shows how a value goes. */

const levels = '▁▂▃▄▅▆▇█';
/** Where a value is no number: the run has diverged. */
const gap = '×';

/** At most `width` characters from the least to the greatest value; where values are more, each character is a mean. */
export function sparkline(values: readonly number[], width: number): string {
  const means = binned(values, width);
  const finite = means.filter(Number.isFinite);
  const min = Math.min(...finite);
  const range = Math.max(...finite) - min;
  return means
    .map((value) => {
      if (!Number.isFinite(value)) return gap;
      // A constant is drawn in the middle: neither high nor low.
      const height = range === 0 ? 0.5 : (value - min) / range;
      return levels[Math.min(levels.length - 1, Math.floor(height * levels.length))]!;
    })
    .join('');
}

function binned(values: readonly number[], width: number): readonly number[] {
  if (values.length <= width) return values;
  return Array.from({ length: width }, (_, i) => {
    const bin = values.slice(
      Math.floor((i * values.length) / width),
      Math.floor(((i + 1) * values.length) / width),
    );
    return bin.reduce((sum, value) => sum + value, 0) / bin.length;
  });
}
