/** The schema's fields as plain records: for the reference in docs/config.md and for suggesting a known key. */
import { z } from 'zod';
import { configSchema } from './schema.js';

/** One field of a config file. */
export interface Field {
  /** As in `stages[].optimizer.momentum`. */
  readonly path: string;
  /** In words a user reads: `integer, at least 1`. */
  readonly type: string;
  /** Undefined for a section (`{…}`) whose fields have defaults of their own, or when there is none. */
  readonly default?: unknown;
  readonly required: boolean;
  readonly unit?: string;
  readonly meaning: string;
  /** Where the field exists only for one kind of its section: as in `kind: adam`. */
  readonly only?: string;
}

/** The part of JSON Schema that zod writes for our schema. */
interface Json {
  readonly type?: string;
  readonly description?: string;
  readonly unit?: string;
  /** The path of a section with the same fields, which are described there. */
  readonly sameAs?: string;
  readonly default?: unknown;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly properties?: Readonly<Record<string, Json>>;
  readonly required?: readonly string[];
  readonly items?: Json;
  readonly prefixItems?: readonly Json[];
  readonly oneOf?: readonly Json[];
  readonly anyOf?: readonly Json[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
}

function jsonOf(schema: z.ZodType): Json {
  return z.toJSONSchema(schema, { io: 'input' }) as Json;
}

/** Every field, in the order of the schema, sections before what is in them. */
export function configFields(schema: z.ZodType = configSchema): Field[] {
  return walk(jsonOf(schema), '', undefined);
}

/** A key that a section knows, and for which of its kinds when not for all: `objective: npairs or supcon`. */
export interface KnownKey {
  readonly key: string;
  readonly only?: string;
}

/** The keys that the section at a path may have. */
export function knownKeys(path: readonly (string | number)[], schema: z.ZodType = configSchema): KnownKey[] {
  let sections: readonly Json[] = [jsonOf(schema)];
  for (const step of path) {
    sections = sections.flatMap((section) => {
      const next = typeof step === 'number' ? section.items : section.properties?.[step];
      return next === undefined ? [] : sectionsOf(next);
    });
  }
  if (sections[0]?.items !== undefined) sections = sectionsOf(sections[0].items);
  const keys = [...new Set(sections.flatMap((section) => Object.keys(section.properties ?? {})))];
  return keys.map((key) => {
    const having = sections.filter((section) => section.properties?.[key] !== undefined);
    return having.length === sections.length ? { key } : { key, only: kindsOf(having) };
  });
}

function alternatives(schema: Json): readonly Json[] {
  return schema.oneOf ?? schema.anyOf ?? [schema];
}

/** Those alternatives that have fields; another one may be a plain value in place of a section. */
function sectionsOf(schema: Json): readonly Json[] {
  return alternatives(schema).filter((one) => hasFields(one) || one.items !== undefined);
}

/** `decay: cosine or step`, for sections told apart by a constant field. */
function kindsOf(sections: readonly Json[]): string {
  const kinds = sections.flatMap(({ properties = {} }) => {
    const found = Object.entries(properties).find(([, field]) => field.const !== undefined);
    return found === undefined ? [] : [{ key: found[0], name: String(found[1].const) }];
  });
  const names = [...new Set(kinds.map(({ name }) => name))].join(', ');
  return kinds.length === 0 ? '' : `${kinds[0]!.key}: ${names.replace(/, ([^,]*)$/, ' or $1')}`;
}

function walk(section: Json, prefix: string, only: string | undefined): Field[] {
  const kinds = sectionsOf(section);
  const fields: Field[] = [];
  const keys = [...new Set(kinds.flatMap((kind) => Object.keys(kind.properties ?? {})))];
  for (const [key, having] of keys.flatMap((key) =>
    agreeing(kinds, key).map((having) => [key, having] as const),
  )) {
    const schema = having[0]!.properties![key]!;
    const limited = having.length === kinds.length ? only : kindsOf(having);
    const constants = having.flatMap((kind) => kind.properties?.[key]?.const ?? []);
    const path = `${prefix}${key}`;
    fields.push({
      path,
      type: constants.length > 0 ? constants.map(code).join(' or ') : typeOf(schema),
      ...(schema.default === undefined || hasFields(schema) ? {} : { default: schema.default }),
      required: having[0]!.required?.includes(key) ?? false,
      ...(schema.unit === undefined ? {} : { unit: schema.unit }),
      meaning:
        constants.length > 0
          ? having
              .map(
                (kind) =>
                  `${code(kind.properties![key]!.const)}: ${kind.properties![key]!.description ?? ''}`,
              )
              .join(' ')
          : (schema.description ?? ''),
      ...(limited === undefined ? {} : { only: limited }),
    });
    if (schema.sameAs !== undefined) continue;
    if (schema.items !== undefined) fields.push(...walk(schema.items, `${path}[].`, limited));
    else fields.push(...walk(schema, `${path}.`, limited));
  }
  return fields;
}

/** The kinds that have a key, those together that say the same of it. The constants that tell kinds apart are one field. */
function agreeing(kinds: readonly Json[], key: string): Json[][] {
  const groups = new Map<string, Json[]>();
  for (const kind of kinds) {
    const field = kind.properties?.[key];
    if (field === undefined) continue;
    const what = field.const === undefined ? JSON.stringify(field) : 'constant';
    groups.set(what, [...(groups.get(what) ?? []), kind]);
  }
  return [...groups.values()];
}

function hasFields(schema: Json): boolean {
  return schema.properties !== undefined;
}

/** What a value must be, in words. */
function typeOf(schema: Json): string {
  if (schema.sameAs !== undefined) return `section, with the keys of ${code(schema.sameAs)}`;
  if (schema.enum !== undefined) return schema.enum.map(code).join(' or ');
  if (schema.prefixItems !== undefined) {
    return `list of ${schema.prefixItems.length}: ${typeOf(schema.prefixItems[0]!)} each`;
  }
  if (schema.anyOf !== undefined) return schema.anyOf.map(typeOf).join(' or ');
  if (schema.items !== undefined) {
    return alternatives(schema.items)[0]?.properties === undefined
      ? `list: ${typeOf(schema.items)} each`
      : 'list of sections';
  }
  if (alternatives(schema)[0]?.properties !== undefined) return 'section';
  const bounds = [
    schema.minimum === undefined ? '' : `at least ${schema.minimum}`,
    schema.exclusiveMinimum === undefined ? '' : `above ${schema.exclusiveMinimum}`,
    schema.maximum === undefined || schema.maximum === Number.MAX_SAFE_INTEGER
      ? ''
      : `at most ${schema.maximum}`,
    schema.exclusiveMaximum === undefined ? '' : `below ${schema.exclusiveMaximum}`,
  ].filter((bound) => bound !== '');
  return [schema.type ?? 'value', ...bounds].join(', ');
}

function code(value: unknown): string {
  return `\`${String(value)}\``;
}
