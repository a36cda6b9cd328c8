/** Tables name the run in their first column where there are several. */
import type { Table } from './section.js';

/** A table whose first column is the run, as it is or without that column. */
export function named(table: Table, runs: number): Table {
  if (runs > 1) return table;
  return { columns: table.columns.slice(1), rows: table.rows.map((row) => row.slice(1)) };
}
