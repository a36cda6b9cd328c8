/** From the name in a config to a dataset: the embedded sample, an imported one in the cache, or a folder. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import { LockstepError } from '../errors.js';
import { packageRoot } from '../package-root.js';
import { type Dataset, openDataset } from './dataset.js';
import { importDataset } from './import.js';
import { manifestFile } from './manifest.js';
import type { OnProgress } from './progress.js';

export interface ResolveOptions {
  /** Default: `cacheFolder()`. */
  readonly cache?: string;
  /** Called while the sample is decoded, on its first use. */
  readonly onProgress?: OnProgress;
}

/** Where imported datasets lie: $LOCKSTEP_CACHE, else $XDG_CACHE_HOME/lockstep, else ~/.cache/lockstep. */
export function cacheFolder(environment: NodeJS.ProcessEnv = process.env): string {
  const { LOCKSTEP_CACHE, XDG_CACHE_HOME } = environment;
  if (LOCKSTEP_CACHE) return path.resolve(LOCKSTEP_CACHE);
  // The XDG specification asks for relative paths to be ignored, and for empty to mean unset.
  const base =
    XDG_CACHE_HOME && path.isAbsolute(XDG_CACHE_HOME) ? XDG_CACHE_HOME : path.join(homedir(), '.cache');
  return path.join(base, 'lockstep');
}

const sampleArchive = path.join(packageRoot, 'data', 'sample', 'cifar10-sample.tar.xz');

/**
 * The dataset that `name` means: `sample`, the name of an imported one (`cifar10`), or the path of a packed folder.
 * The sample is decoded into the cache on first use; two processes that do so at once both end up with the same one.
 *
 * @throws LockstepError DATA
 */
export async function resolveDataset(name: string, options: ResolveOptions = {}): Promise<Dataset> {
  const cache = options.cache ?? cacheFolder();
  if (name === 'sample') return await openSample(cache, options.onProgress);
  const isName = /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name);
  const imported = path.join(cache, name);
  if (isName && existsSync(path.join(imported, manifestFile))) return openDataset(imported);
  if (existsSync(path.join(name, manifestFile))) return openDataset(name);
  if (name === 'cifar10') {
    throw new LockstepError(
      'DATA',
      `CIFAR-10 has not been imported on this host: ${imported} is not a dataset.`,
      {
        hint: 'For example: lockstep data import cifar-10-binary.tar.gz (or: lockstep data import --download)',
      },
    );
  }
  throw new LockstepError('DATA', `There is no dataset '${name}': neither in ${cache} nor a packed folder.`, {
    hint: 'Datasets are sample, cifar10, or a folder that `lockstep data import SOURCE --to DIR` made.',
  });
}

async function openSample(cache: string, onProgress: OnProgress | undefined): Promise<Dataset> {
  const archive = await readFile(sampleArchive).catch((cause: unknown) => {
    throw new LockstepError('DATA', `The embedded sample, ${sampleArchive}, can't be read.`, {
      hint: 'Install Lockstep again.',
      cause,
    });
  });
  // Another release may embed another sample: the cache must not answer for it.
  const digest = createHash('sha256').update(archive).digest('hex').slice(0, 12);
  const folder = path.join(cache, `sample-${digest}`);
  if (existsSync(path.join(folder, manifestFile))) {
    try {
      return openDataset(folder);
    } catch (error) {
      if (!(error instanceof LockstepError)) throw error;
      // Damaged since; it can be made again from the archive at once.
      return await importSample(folder, 'replace', onProgress);
    }
  }
  return await importSample(folder, 'keep', onProgress);
}

async function importSample(
  to: string,
  existing: 'replace' | 'keep',
  onProgress: OnProgress | undefined,
): Promise<Dataset> {
  return await importDataset(sampleArchive, {
    to,
    name: 'sample',
    existing,
    ...(onProgress === undefined ? {} : { onProgress }),
  });
}
