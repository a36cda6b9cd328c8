/** CSV as RFC 4180 has it, with a header. */
import type { Numbers } from './section.js';

/** Numbers keep all their digits; what is not finite becomes an empty field. */
export function csv({ columns, rows }: Numbers): string {
  return [columns, ...rows].map((row) => `${row.map(field).join(',')}\r\n`).join('');
}

function field(value: string | number): string {
  if (typeof value === 'number') return Number.isFinite(value) ? String(value) : '';
  return /[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
}
