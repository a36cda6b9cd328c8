// Writing that a kill -9 can't leave half done, digests, and how much a folder can still take.
// @ts-check
import { createHash } from 'node:crypto';
import {
  createReadStream,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';

/** @param {string} path @returns {number} size in bytes, -1 when there is no such file */
export function sizeOf(path) {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat?.isFile() ? stat.size : -1;
}

/** @param {string} path @returns {unknown} the parsed file; undefined when it is missing or damaged */
export function readJson(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}

/** @param {string} path @param {unknown} value written beside and renamed: readers see the old file or the new one */
export function writeJson(path, value) {
  mkdirSync(dirname(path), { recursive: true });
  const beside = `${path}.${process.pid}`;
  writeFileSync(beside, `${JSON.stringify(value, null, 2)}\n`);
  renameSync(beside, path);
}

/** @param {string | Buffer} content @returns {string} SHA-256 in hex */
export function digestOf(content) {
  return createHash('sha256').update(content).digest('hex');
}

/** @param {string} path @returns {Promise<string>} SHA-256 in hex, read as a stream */
export async function digestOfFile(path) {
  const hash = createHash('sha256');
  for await (const block of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(block);
  return hash.digest('hex');
}

/** @param {string} folder @returns {number} bytes of all files below it */
export function bytesIn(folder) {
  let sum = 0;
  try {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      sum += entry.isDirectory() ? bytesIn(path) : Math.max(sizeOf(path), 0);
    }
  } catch {
    // A folder that its owner has just removed holds nothing.
  }
  return sum;
}

/** @param {string} path removes it if it can: what can't be removed now is tried again by the next set-up */
export function discard(path) {
  try {
    rmSync(path, { recursive: true, force: true });
  } catch {
    // Some orphan of an earlier set-up still writes there.
  }
}

const stagingPrefix = 'staging-';

/**
 * A new, empty folder beside what it is to become; a rename makes it real.
 * @param {string} parent on the same file system as the destination
 * @param {string} purpose
 * @returns {string}
 */
export function newStaging(parent, purpose) {
  const path = join(parent, `${stagingPrefix}${purpose}-${process.pid}-${Date.now().toString(36)}`);
  mkdirSync(path, { recursive: true });
  return path;
}

/** @param {string} parent removes what interrupted set-ups left there; call it only while holding the lock */
export function discardStagings(parent) {
  let names;
  try {
    names = readdirSync(parent);
  } catch {
    return;
  }
  for (const name of names) if (name.startsWith(stagingPrefix)) discard(join(parent, name));
}

/**
 * Puts a finished folder in place. One that is there already is moved away first: processes that have its libraries
 * mapped keep them.
 * @param {string} staged
 * @param {string} destination
 */
export function putInPlace(staged, destination) {
  const old = `${staged}-old`;
  if (statSync(destination, { throwIfNoEntry: false })) renameSync(destination, old);
  renameSync(staged, destination);
  discard(old);
}

/** @param {string} path @returns {string} the nearest folder above that exists, or the path itself */
function existing(path) {
  return statSync(path, { throwIfNoEntry: false }) || dirname(path) === path ? path : existing(dirname(path));
}

/**
 * What lacks room: needs are added up for each file system.
 * @param {readonly {folder: string, bytes: number}[]} needs
 * @returns {{folder: string, needed: number, free: number} | undefined}
 */
export function missingSpace(needs) {
  /** @type {Map<number, {folder: string, needed: number}>} */
  const sums = new Map();
  for (const { folder, bytes } of needs) {
    const real = existing(folder);
    const { dev } = statSync(real);
    sums.set(dev, { folder: sums.get(dev)?.folder ?? real, needed: (sums.get(dev)?.needed ?? 0) + bytes });
  }
  for (const { folder, needed } of sums.values()) {
    const { bavail, bsize } = statfsSync(folder);
    if (bavail * bsize < needed) return { folder, needed, free: bavail * bsize };
  }
  return undefined;
}
