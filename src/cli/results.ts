/** The table that ends a run. */
import type { Summary } from '../coordinator/summary.js';
import { type Column, table } from './table.js';

export interface NamedResult {
  readonly name: string;
  readonly run: string;
  readonly summary: Summary;
}

const columns: readonly Column[] = [
  ...['run', 'stage', 'objective'].map((title) => ({ title })),
  ...['epochs', 'loss', 'accuracy', 'seconds'].map((title) => ({ title, align: 'right' as const })),
];

/** Which weights were evaluated, where it is not the last ones. */
function ofWhat({ weights }: Summary['stages'][number]): string {
  return weights === undefined ? '' : ' (EMA)';
}

/** One row a stage; below, where the runs are. */
export function resultTable(results: readonly NamedResult[]): string {
  const rows = results.flatMap(({ name, summary }) =>
    summary.stages.map((stage, i) => [
      i === 0 ? name : '',
      stage.name,
      stage.objective,
      String(stage.epochs),
      stage.loss === null ? '–' : stage.loss.toFixed(4),
      stage.accuracy === null ? '–' : `${(100 * stage.accuracy).toFixed(2)} %${ofWhat(stage)}`,
      i === summary.stages.length - 1 ? summary.seconds.toFixed(0) : '',
    ]),
  );
  const folders = results.map(({ name, run }) => `${name}: ${run}`);
  return `\n${table(columns, rows)}\n\nRun folders:\n  ${folders.join('\n  ')}\n`;
}
