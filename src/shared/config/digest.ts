/** One hash that says whether two runs are of the same configuration. */
import { createHash } from 'node:crypto';
import type { Config } from './schema.js';

/**
 * SHA-256, in hex, of what decides what is computed, as JSON without spaces and with the keys of every object sorted. How
 * long is waited, what is saved when, and how often workers are started again may change when a run goes on.
 */
export function configDigest(config: Config): string {
  const { deadlines: _, checkpoint: __, recovery: ___, ...computed } = config;
  return createHash('sha256').update(canonicalJson(computed)).digest('hex');
}

function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
