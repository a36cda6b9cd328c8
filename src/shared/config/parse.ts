/** From a plain object to a checked, frozen `Config`. */
import { LockstepError } from '../errors.js';
import { disagreements } from './checks.js';
import { complaints, pathName } from './complaint.js';
import { deepFreeze } from './frozen.js';
import { type Config, configSchema } from './schema.js';

/** Says where a path of the config stands, as in `configs/demo.yaml:12`. */
export type Locate = (path: readonly (string | number)[]) => string;

/**
 * Checks an object and fills in defaults. `source` says where it comes from: a file's name, or a function when
 * lines are known. A config that went through once goes through again unchanged.
 *
 * @throws LockstepError CONFIG that names source, field, what is expected, and for an unknown key the nearest known one
 */
export function parseConfig(value: unknown, source: string | Locate): Config {
  const locate = typeof source === 'string' ? () => source : source;
  const result = configSchema.safeParse(value);
  const found = result.success
    ? disagreements(result.data).map(({ path, message }) => ({
        path,
        message: `${pathName(path)} ${message}`,
      }))
    : complaints(result.error.issues, value);
  const first = found[0];
  if (first !== undefined) {
    const more = found.length === 1 ? '' : ` (${found.length - 1} more to mend)`;
    const end = more === '' && first.message.endsWith('?') ? '' : '.';
    throw new LockstepError('CONFIG', `${locate(first.path)}: ${first.message}${more}${end}`, {
      hint: 'docs/config.md describes every key.',
    });
  }
  return deepFreeze(result.data!);
}
