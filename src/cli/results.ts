/** The table that ends a run. */
import type { Summary } from '../coordinator/summary.js';

export interface NamedResult {
  readonly name: string;
  readonly run: string;
  readonly summary: Summary;
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
      stage.loss === null ? '–' : stage.loss.toFixed(4),
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
