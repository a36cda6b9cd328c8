/** Quantities as people read them. */

/** Bytes, in units of 10³. */
export function bytes(count: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
  let value = count;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value < 10 && unit > 0 ? value.toFixed(1) : value.toFixed(0)} ${units[unit]}`;
}

export function milliseconds(ms: number): string {
  return `${Math.abs(ms) < 10 ? ms.toFixed(2) : ms.toFixed(Math.abs(ms) < 100 ? 1 : 0)} ms`;
}
