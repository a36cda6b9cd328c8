/** From a plain object to a checked, frozen `Config`. */
import { disagreements } from './checks.js';
import { complaints, type Locate, pathName, refuse } from './complaint.js';
import { deepFreeze } from './frozen.js';
import { type Config, configSchema } from './schema.js';

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
  refuse(found, locate, 'docs/config.md describes every key.');
  return deepFreeze(result.data!);
}
