/** Python packages that a test compares with, by pip, in the clone's .cache; a machine where pip can't has none. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../src/shared/package-root.js';

/** Runs a script with the packages, and gives what it prints. */
export type Python = (script: string, ...args: readonly string[]) => string;

/**
 * @param name of the folder that keeps them: another one for other versions
 * @param packages all that are needed: what they depend on is not installed, since TensorBoard's reader needs little of it
 * @returns undefined where they can't be installed, having said so
 */
export function pythonWith(name: string, packages: readonly string[]): Python | undefined {
  const folder = join(packageRoot, '.cache', 'test-python', name);
  if (!existsSync(folder)) {
    // Beside it, so that neither a kill nor another test leaves a part of them under this name. A target needs no venv.
    const partial = `${folder}.${process.pid}.partial`;
    mkdirSync(partial, { recursive: true });
    const options = ['--quiet', '--disable-pip-version-check', '--no-deps', '--target', partial];
    const pip = spawnSync('python3', ['-m', 'pip', 'install', ...options, ...packages], { encoding: 'utf8' });
    try {
      if (pip.status === 0) renameSync(partial, folder);
    } catch {
      // Another test was faster.
    }
    rmSync(partial, { recursive: true, force: true });
    if (!existsSync(folder)) {
      console.warn(`Skipped: pip could not install ${packages.join(', ')}: ${pip.error ?? pip.stderr}`);
      return undefined;
    }
  }
  return (script, ...args) => {
    const ran = spawnSync('python3', ['-c', script, ...args], {
      encoding: 'utf8',
      env: { ...process.env, PYTHONPATH: folder, PYTHONDONTWRITEBYTECODE: '1' },
    });
    if (ran.status !== 0) throw new Error(`python3 failed: ${ran.error ?? ran.stderr}`);
    return ran.stdout;
  };
}
