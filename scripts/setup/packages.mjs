// The npm packages: installed beside from the lock file and swapped in, so that node_modules is always whole.
// @ts-check
import { copyFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runCommand } from './command.mjs';
import { downloadFailure } from './failure.mjs';
import { digestOf, discard, newStaging, putInPlace, readJson, writeJson } from './files.mjs';
import { stage } from './terminal.mjs';

/** @typedef {Record<string, {version?: string, integrity?: string, optional?: boolean, link?: boolean}>} Packages */

/** @param {string} root */
const stampFile = (root) => join(root, 'node_modules', '.lockstep.json');
/** @param {string} root */
const lockDigest = (root) => digestOf(readFileSync(join(root, 'package-lock.json')));

/** @param {string} root @returns {boolean} whether node_modules is what package-lock.json asks for */
export function packagesAreCurrent(root) {
  const digest = lockDigest(root);
  const stamp = /** @type {{lockFile?: unknown} | undefined} */ (readJson(stampFile(root)));
  if (stamp?.lockFile === digest) return true;
  if (!matchesLockFile(root)) return false;
  // Somebody's own `npm ci` or `npm install` did it: as good as ours.
  writeJson(stampFile(root), { lockFile: digest });
  return true;
}

/**
 * Compares npm's own record, which it writes when an installation is complete, with the lock file.
 * @param {string} root
 * @returns {boolean}
 */
function matchesLockFile(root) {
  const wanted = packagesIn(join(root, 'package-lock.json'));
  const found = packagesIn(join(root, 'node_modules', '.package-lock.json'));
  if (wanted === undefined || found === undefined) return false;
  for (const [path, { version, integrity, optional }] of Object.entries(wanted)) {
    if (path === '') continue;
    const there = found[path];
    // Optional packages for other platforms are not installed, and so not in npm's record.
    if (there === undefined && optional) continue;
    if (there?.version !== version || there?.integrity !== integrity) return false;
    if (!existsSync(join(root, path, 'package.json'))) return false;
  }
  return Object.keys(found).every((path) => path in wanted);
}

/** @param {string} file @returns {Packages | undefined} */
function packagesIn(file) {
  const lock = /** @type {{packages?: Packages} | undefined} */ (readJson(file));
  return lock?.packages;
}

/**
 * @param {string} root
 * @param {string} work folder for staging, on the same file system
 * @param {string} log
 */
export async function installPackages(root, work, log) {
  const staging = newStaging(work, 'packages');
  for (const name of ['package.json', 'package-lock.json', '.npmrc']) {
    if (existsSync(join(root, name))) copyFileSync(join(root, name), join(staging, name));
  }
  const env = { ...process.env };
  // Under `npm run` these name the outer project and npm would install there.
  for (const name of Object.keys(env))
    if (/^npm_(package_|config_local_prefix$)/.test(name)) delete env[name];
  await stage('installing the npm packages', async () => {
    const args = ['ci', '--ignore-scripts', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'];
    // npm's own pauses between tries keep a machine without a network waiting for more than a minute.
    args.push('--fetch-retry-mintimeout=1000', '--fetch-retry-maxtimeout=5000');
    const { code, output } = await runCommand('npm', args, { log, cwd: staging, env });
    if (code !== 0) throw downloadFailure('npm', 'the npm packages', output, log);
    writeJson(join(staging, 'node_modules', '.lockstep.json'), { lockFile: lockDigest(staging) });
    putInPlace(join(staging, 'node_modules'), join(root, 'node_modules'));
    discard(staging);
  });
}
