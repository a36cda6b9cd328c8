/** `--set a.b.0.c=value`: one field of a config file changed from the command line. */
import { type Document, isCollection, isScalar, isSeq, parseDocument } from 'yaml';
import { LockstepError } from '../errors.js';

export interface Override {
  readonly path: readonly (string | number)[];
  /** As it was typed, for messages. */
  readonly text: string;
}

/**
 * Applies one override to the document; the value is read as YAML (`0.1`, `true`, `[1, 2]`, `{kind: adam}`), a list
 * entry is addressed as `.0` or `[0]`.
 *
 * @throws LockstepError CONFIG when it has no `=`, its value is no YAML, or its path leads nowhere
 */
export function applyOverride(document: Document, text: string): Override {
  const equals = text.indexOf('=');
  const keys = text
    .slice(0, Math.max(equals, 0))
    .replace(/\[(\d+)\]/g, '.$1')
    .split('.')
    .map((key) => key.trim());
  if (equals < 1 || keys.some((key) => key === '')) {
    throw wrong(text, 'is not of the form key.path=value', 'Example: --set stages.0.epochs=5');
  }
  const value = parseDocument(text.slice(equals + 1));
  if (value.errors.length > 0)
    throw wrong(text, 'has a value that is not valid YAML', 'Quote it, or simplify it.');

  const path: (string | number)[] = [];
  for (const key of keys) {
    const at = path.length === 0 ? document.contents : document.getIn(path, true);
    if (isSeq(at)) {
      const index = /^\d+$/.test(key) ? Number(key) : Number.NaN;
      if (!(index <= at.items.length)) {
        throw wrong(
          text,
          `finds no entry ${key} in ${path.join('.')}`,
          `The list has ${at.items.length} entries, counted from 0.`,
        );
      }
      path.push(index);
    } else {
      if (at !== undefined && at !== null && !isCollection(at) && !(isScalar(at) && at.value === null)) {
        throw wrong(
          text,
          `leads through ${path.join('.')}, which is no section`,
          'Set the section as a whole: key={…}',
        );
      }
      // A section that is empty in the file (`data:`) is null there and becomes a map.
      if (isScalar(at)) document.setIn(path, document.createNode({}));
      path.push(key);
    }
  }
  document.setIn(path, value.contents);
  return { path, text };
}

function wrong(text: string, what: string, hint: string): LockstepError {
  return new LockstepError('CONFIG', `--set ${text} ${what}.`, { hint });
}
