/** Patterns for the names of parameters, as configs write them. */
import { nearest } from '../config/nearest.js';

/** `*` stands for anything; a pattern without one matches its name and what lies below it: `a.b` also `a.b.c`. */
export function matches(pattern: string, name: string): boolean {
  if (!pattern.includes('*')) return name === pattern || name.startsWith(`${pattern}.`);
  const source = pattern
    .split('*')
    .map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'))
    .join('.*');
  return new RegExp(`^${source}$`).test(name);
}

/** The pattern nearest to one that matches none of the names, if it is near enough to be what was meant. */
export function nearestPattern(pattern: string, names: readonly string[]): string | undefined {
  const candidates = new Set<string>();
  for (const name of names) {
    const parts = name.split('.');
    for (let i = 1; i <= parts.length; i += 1) {
      candidates.add(parts.slice(0, i).join('.'));
      candidates.add(`*.${parts.slice(-i).join('.')}`);
      if (i < parts.length) candidates.add(`${parts.slice(0, i).join('.')}.*`);
    }
  }
  return nearest(pattern, [...candidates]);
}
