/** Tables for the terminal: aligned columns under a rule, no frames. */
export interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right';
}

/** Lays out rows of cells under their titles; columns are as wide as their widest cell. */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const cell = (row: readonly string[], column: number) => row[column] ?? '';
  const titles = columns.map(({ title }) => title);
  const widths = columns.map((_, column) =>
    Math.max(...[titles, ...rows].map((row) => cell(row, column).length)),
  );
  const lines = [titles, widths.map((width) => '─'.repeat(width)), ...rows].map((row) =>
    columns
      .map(({ align }, column) => {
        const width = widths[column]!;
        return align === 'right' ? cell(row, column).padStart(width) : cell(row, column).padEnd(width);
      })
      .join('  ')
      .trimEnd(),
  );
  return lines.join('\n');
}
