/** One hash that says whether two processes have the same configuration. */
import { createHash } from 'node:crypto';
import type { Config } from './schema.js';

/** SHA-256, in hex, of the config as JSON without spaces and with the keys of every object sorted. */
export function configDigest(config: Config): string {
  return createHash('sha256').update(canonicalJson(config)).digest('hex');
}

function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
