/** Reads a config file: YAML, overrides from the command line, checks. */
import { readFile } from 'node:fs/promises';
import { type Document, isMap, isNode, isPair, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
import { LockstepError } from '../errors.js';
import type { Locate } from './complaint.js';
import { applyOverride, type Override } from './override.js';
import { parseConfig } from './parse.js';
import type { Config } from './schema.js';

/**
 * The config in a YAML file, with `set` overrides (`a.b.0.c=value`) applied in order.
 *
 * @throws LockstepError CONFIG that names the file, the line where it can, and the field
 */
export async function loadConfig(
  path: string,
  options: { readonly set?: readonly string[] } = {},
): Promise<Config> {
  return readConfig(await readText(path), path, options.set ?? []);
}

/** @throws LockstepError CONFIG that names the file */
export async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    throw new LockstepError('CONFIG', `${path}: ${missing ? 'there is no such file' : "can't be read"}.`, {
      hint: missing ? 'configs/ holds examples.' : String((cause as Error).message),
      cause,
    });
  }
}

/** As `loadConfig`, from the text of a file; `path` is for messages. */
export function readConfig(text: string, path: string, set: readonly string[] = []): Config {
  const { value, locate } = readYaml(text, path, set);
  return parseConfig(value, locate);
}

/**
 * What a YAML file says, unchecked, and where its fields stand.
 *
 * @throws LockstepError CONFIG when it is no YAML, or no section at the top
 */
export function readYaml(
  text: string,
  path: string,
  set: readonly string[] = [],
): { readonly value: unknown; readonly locate: Locate } {
  const lines = new LineCounter();
  const document: Document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const broken = document.errors[0];
  if (broken !== undefined) {
    throw new LockstepError(
      'CONFIG',
      `${path}:${lines.linePos(broken.pos[0]).line}: not valid YAML: ${broken.message}`,
    );
  }
  if (document.contents === null) throw new LockstepError('CONFIG', `${path}: the file is empty.`);
  if (!isMap(document.contents)) {
    throw new LockstepError('CONFIG', `${path}: a config is a section (key: value) at the top.`);
  }
  // Lines are taken before the overrides, whose own positions count from elsewhere.
  const positions = new Map<string, number>();
  collectLines(document.contents, [], (at, offset) =>
    positions.set(at.join('\0'), lines.linePos(offset).line),
  );
  const overrides = set.map((override) => applyOverride(document, override));
  const locate: Locate = (at) => {
    const override = overrides.findLast((candidate) => isInside(at, candidate));
    if (override !== undefined) return `--set ${override.text}`;
    for (let depth = at.length; depth > 0; depth--) {
      const line = positions.get(at.slice(0, depth).join('\0'));
      if (line !== undefined) return `${path}:${line}`;
    }
    return path;
  };
  return { value: document.toJS(), locate };
}

function isInside(at: readonly (string | number)[], { path }: Override): boolean {
  return path.length <= at.length && path.every((step, i) => String(step) === String(at[i]));
}

function collectLines(
  node: unknown,
  path: readonly string[],
  found: (path: readonly string[], offset: number) => void,
): void {
  if (isMap(node)) {
    for (const pair of node.items) {
      if (!isPair(pair) || !isScalar(pair.key)) continue;
      const inner = [...path, String(pair.key.value)];
      if (pair.key.range) found(inner, pair.key.range[0]);
      collectLines(pair.value, inner, found);
    }
  } else if (isSeq(node)) {
    for (const [i, item] of node.items.entries()) {
      const inner = [...path, String(i)];
      if (isNode(item) && item.range) found(inner, item.range[0]);
      collectLines(item, inner, found);
    }
  }
}
