/** Settings that should be equal in all arms and are not: what else may be why one is better. */
import type { Config } from '../../shared/config/schema.js';

/** What arms differ in on purpose, or what changes no accuracy. */
const free: readonly string[] = [
  ...['name', 'seed', 'stages', 'model.projection', 'evaluate.everyEpochs', 'evaluate.batchSize'],
  ...['checkpoint', 'recovery', 'exchange', 'deadlines'],
];

export interface ArmConfig {
  readonly name: string;
  readonly config: Config;
}

/** One line a setting: `data.augment.crop is 4 for traditional, 0 for contrastive`. */
export function differences(arms: readonly ArmConfig[]): string[] {
  const settings = arms.map(({ config }) => new Map(leaves(config, '')));
  const keys = [...new Set(settings.flatMap((own) => [...own.keys()]))];
  return keys.flatMap((key) => {
    const values = settings.map((own) => own.get(key) ?? 'not set');
    if (new Set(values).size === 1) return [];
    return [`${key} is ${arms.map(({ name }, i) => `${values[i]} for ${name}`).join(', ')}`];
  });
}

/** Lists stand for themselves. */
function leaves(value: unknown, path: string): [string, string][] {
  if (free.includes(path)) return [];
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return [[path, JSON.stringify(value)]];
  return Object.entries(value).flatMap(([key, inner]) => leaves(inner, path === '' ? key : `${path}.${key}`));
}
