/** The one sentence that says what is wrong with a config file, made from what the schema found. */
import type { z } from 'zod';
import { LockstepError } from '../errors.js';
import { knownKeys } from './fields.js';
import { nearest } from './nearest.js';

type Path = readonly (string | number)[];

/** What is wrong, the path of the field, and whether the field's key itself is the trouble. */
export interface Complaint {
  readonly path: Path;
  readonly message: string;
}

/** Says where a path of the config stands, as in `configs/demo.yaml:12`. */
export type Locate = (path: Path) => string;

/** @throws LockstepError CONFIG with the first complaint, if there is one; `hint` says where keys are described */
export function refuse(found: readonly Complaint[], locate: Locate, hint: string): void {
  const first = found[0];
  if (first === undefined) return;
  const more = found.length === 1 ? '' : ` (${found.length - 1} more to mend)`;
  const end = more === '' && first.message.endsWith('?') ? '' : '.';
  throw new LockstepError('CONFIG', `${locate(first.path)}: ${first.message}${more}${end}`, { hint });
}

/** `stages[0].optimizer.kind` */
export function pathName(path: Path): string {
  return path
    .map((step, i) => (typeof step === 'number' ? `[${step}]` : i === 0 ? step : `.${step}`))
    .join('');
}

/**
 * The complaints about a value, unknown keys first: a key that is missing is often one that is misspelt.
 * @param schema whose keys are known; by default a config's
 */
export function complaints(
  issues: readonly z.core.$ZodIssue[],
  value: unknown,
  schema?: z.ZodType,
): Complaint[] {
  const unknown: Complaint[] = [];
  const others: Complaint[] = [];
  const suggested = new Set<string>();
  for (const issue of issues.flatMap((issue) => meant(issue, value))) {
    const path = issue.path as Path;
    if (issue.code === 'unrecognized_keys') {
      for (const key of issue.keys) {
        const found = unknownKey(path, key, valueAt(value, path), schema);
        if (found.suggestion !== undefined) suggested.add(pathName([...path, found.suggestion]));
        unknown.push({ path: [...path, key], message: found.message });
      }
    } else {
      others.push({
        path,
        message: `${pathName(path) || 'A config'} ${demand(issue, valueAt(value, path))}`,
      });
    }
  }
  return [...unknown, ...others.filter(({ path }) => !suggested.has(pathName(path)))];
}

/** Where a field may be a plain value or a section, what is wrong with the one that was written. */
function meant(issue: z.core.$ZodIssue, value: unknown): readonly z.core.$ZodIssue[] {
  if (issue.code !== 'invalid_union' || issue.discriminator !== undefined) return [issue];
  const found = valueAt(value, issue.path as Path);
  const isSection = typeof found === 'object' && found !== null && !Array.isArray(found);
  const about = (issues: readonly z.core.$ZodIssue[]) =>
    issues.some(({ path, code }) => path.length > 0 || code === 'unrecognized_keys') === isSection;
  const chosen = issue.errors.find(about) ?? issue.errors[0];
  return chosen?.map((inner) => ({ ...inner, path: [...issue.path, ...inner.path] })) ?? [issue];
}

function unknownKey(
  path: Path,
  key: string,
  section: unknown,
  schema: z.ZodType | undefined,
): { message: string; suggestion?: string } {
  const name = pathName([...path, key]);
  const keys = knownKeys(path, schema);
  const elsewhere = keys.find((known) => known.key === key);
  if (elsewhere?.only !== undefined) {
    return {
      message: `${name} is for ${elsewhere.only} only: remove it, or change the ${elsewhere.only.split(':')[0]}`,
    };
  }
  const present = typeof section === 'object' && section !== null ? Object.keys(section) : [];
  const free = keys.map((known) => known.key).filter((known) => !present.includes(known));
  const suggestion = nearest(key, free);
  if (suggestion !== undefined) {
    return { message: `Unknown key ${name}: did you mean ${suggestion}?`, suggestion };
  }
  return { message: `Unknown key ${name}: known are ${keys.map((known) => known.key).join(', ')}` };
}

/** What follows the field's name: `must be at least 1, not 0`. */
function demand(issue: z.core.$ZodIssue, value: unknown): string {
  const not = value === undefined ? '' : `, not ${shown(value)}`;
  switch (issue.code) {
    case 'invalid_type':
      if (value === undefined) return `is missing: it must be ${article(issue.expected)}`;
      return `must be ${article(issue.expected)}${not}`;
    case 'invalid_value':
      if (value === undefined) return `is missing: it must be ${choice(issue.values)}`;
      return `must be ${choice(issue.values)}${not}${suggested(value, issue.values)}`;
    case 'invalid_union': {
      const key = String(issue.discriminator ?? '');
      const options = 'options' in issue && Array.isArray(issue.options) ? (issue.options as unknown[]) : [];
      if (options.length === 0) return `is not one of its kinds${not}`;
      return value === undefined
        ? `is missing: it must be ${choice(options)}`
        : `must be ${choice(options)}${not}${key === '' ? '' : suggested(value, options)}`;
    }
    case 'too_small':
      if (issue.origin === 'array' || issue.origin === 'string')
        return `must have at least ${Number(issue.minimum)} ${issue.origin === 'array' ? 'entries' : 'characters'}`;
      return `must be ${issue.inclusive ? 'at least' : 'above'} ${String(issue.minimum)}${not}`;
    case 'too_big':
      if (issue.origin === 'array' || issue.origin === 'string')
        return `must have at most ${Number(issue.maximum)} ${issue.origin === 'array' ? 'entries' : 'characters'}`;
      return `must be ${issue.inclusive ? 'at most' : 'below'} ${String(issue.maximum)}${not}`;
    case 'invalid_format':
      return `must be ${issue.message}${not}`;
    default:
      return `is wrong: ${issue.message}${not}`;
  }
}

function article(type: string): string {
  const words: Readonly<Record<string, string>> = {
    int: 'a whole number',
    number: 'a number',
    string: 'a text',
    boolean: 'true or false',
    object: 'a section (key: value)',
    array: 'a list',
    tuple: 'a list',
  };
  return words[type] ?? type;
}

function choice(values: readonly unknown[]): string {
  return values.map(String).join(' or ');
}

function suggested(value: unknown, values: readonly unknown[]): string {
  const near = typeof value === 'string' ? nearest(value, values.map(String)) : undefined;
  return near === undefined ? '' : `: did you mean ${near}?`;
}

function shown(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'a section';
  return typeof value === 'string' ? JSON.stringify(value.slice(0, 60)) : String(value);
}

function valueAt(value: unknown, path: Path): unknown {
  let at = value;
  for (const step of path) {
    if (typeof at !== 'object' || at === null) return undefined;
    at = (at as Readonly<Record<string | number, unknown>>)[step];
  }
  return at;
}
