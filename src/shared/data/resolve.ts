/** From the name in a config to a dataset: the embedded sample, the imported CIFAR-10, or a folder. */
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { LockstepError } from '../errors.js';
import { packageRoot } from '../package-root.js';
import { type Dataset, openDataset } from './dataset.js';
import { importDataset } from './import.js';

/** Where imported datasets lie: $LOCKSTEP_CACHE, else $XDG_CACHE_HOME/lockstep, else ~/.cache/lockstep. */
export function cacheFolder(environment: NodeJS.ProcessEnv = process.env): string {
  const { LOCKSTEP_CACHE, XDG_CACHE_HOME } = environment;
  return LOCKSTEP_CACHE ?? join(XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'lockstep');
}

const sampleArchive = join(packageRoot, 'data', 'sample', 'cifar10-sample.tar.xz');

/**
 * The dataset that `name` means. The sample is decoded into the cache on first use; two processes that do so at once
 * do not meet, since the packed folder appears by a rename.
 * @throws LockstepError DATA
 */
export async function resolveDataset(name: string): Promise<Dataset> {
  if (name === 'sample') {
    const folder = join(cacheFolder(), 'sample');
    return existsSync(folder)
      ? openDataset(folder)
      : await importDataset(sampleArchive, { to: folder, name });
  }
  if (name !== 'cifar10') return openDataset(name);
  const folder = join(cacheFolder(), 'cifar10');
  if (existsSync(folder)) return openDataset(folder);
  throw new LockstepError('DATA', `CIFAR-10 has not been imported on this host (${folder} is missing).`, {
    hint: 'For example: lockstep data import cifar-10-binary.tar.gz',
  });
}
