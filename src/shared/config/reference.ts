/** The tables of docs/config.md, and of other files with keys, written from their schemas. */
import type { z } from 'zod';
import { configFields, type Field } from './fields.js';

/** A Markdown table for the top level and one for each section below it. */
export function configReference(schema?: z.ZodType): string {
  const fields = configFields(schema);
  const isTop = ({ path }: Field): boolean => !path.includes('.');
  const tables = [`### Top level\n\n${table(fields.filter(isTop))}`];
  for (const section of fields.filter(isTop)) {
    const inner = fields.filter(
      ({ path }) => path.startsWith(`${section.path}.`) || path.startsWith(`${section.path}[].`),
    );
    if (inner.length === 0) continue;
    tables.push(`### ${section.path}\n\n${section.meaning}\n\n${table(inner)}`);
  }
  return tables.join('\n\n');
}

function table(fields: readonly Field[]): string {
  const rows = fields.map(({ path, type, unit, meaning, only, ...field }) => {
    const fallback =
      field.default === undefined
        ? field.required
          ? 'required'
          : ''
        : `\`${JSON.stringify(field.default)}\``;
    const about = only === undefined ? meaning : `(\`${only}\`) ${meaning}`;
    return `| \`${path}\` | ${type} | ${fallback} | ${unit ?? ''} | ${about} |`;
  });
  return ['| key | type | default | unit | meaning |', '|---|---|---|---|---|', ...rows].join('\n');
}
