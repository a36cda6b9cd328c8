/** The table that ends a run, and where runs go by default. */
import { join } from 'node:path';
import type { Summary } from '../coordinator/train.js';

export interface NamedResult {
  readonly name: string;
  readonly run: string;
  readonly summary: Summary;
}

/** runs/NAME-YYYYMMDD-HHMMSS, in local time. */
export function defaultRunFolder(name: string, now: Date = new Date()): string {
  const two = (n: number) => String(n).padStart(2, '0');
  const day = `${now.getFullYear()}${two(now.getMonth() + 1)}${two(now.getDate())}`;
  const time = `${two(now.getHours())}${two(now.getMinutes())}${two(now.getSeconds())}`;
  return join('runs', `${name}-${day}-${time}`);
}

/** One row a stage; below, where the runs are. */
export function resultTable(results: readonly NamedResult[]): string {
  const header = ['run', 'stage', 'objective', 'epochs', 'loss', 'accuracy', 'seconds'];
  const rows = results.flatMap(({ name, summary }) =>
    summary.stages.map((stage, i) => [
      i === 0 ? name : '',
      stage.name,
      stage.objective,
      String(stage.epochs),
      stage.loss.toFixed(4),
      stage.accuracy === null ? '–' : `${(100 * stage.accuracy).toFixed(2)} %`,
      i === summary.stages.length - 1 ? summary.seconds.toFixed(0) : '',
    ]),
  );
  const widths = header.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]!.length)),
  );
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => (column < 3 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
      .join('  ')
      .trimEnd();
  const rule = widths.map((width) => '─'.repeat(width)).join('  ');
  const folders = results.map(({ name, run }) => `${name}: ${run}`);
  return `\n${[line(header), rule, ...rows.map(line)].join('\n')}\n\nRun folders:\n  ${folders.join('\n  ')}\n`;
}
