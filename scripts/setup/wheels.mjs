// Python wheels: downloaded by pip into a cache that all clones of a user share, checked by digest at every use.
// @ts-check
import { accessSync, constants, mkdirSync, readdirSync, renameSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runCommand } from './command.mjs';
import { diskFull, downloadFailure, lastLine, SetupFailure } from './failure.mjs';
import {
  bytesIn,
  digestOf,
  digestOfFile,
  discard,
  discardStagings,
  newStaging,
  readJson,
  sizeOf,
  writeJson,
} from './files.mjs';
import { takeLock } from './lock.mjs';
import { megabytes, say, stage } from './terminal.mjs';

const reader = fileURLToPath(new URL('wheel.py', import.meta.url));

/** @typedef {{package: string, file: string, sha256: string, bytes: number, installedBytes: number, extra?: string, extraBytes?: number}} Pin */
/** @typedef {{version: string, python: string, platforms: string[], packagesBytes: number, cpu: Pin, gpu: Pin}} Pins */

/** The versions and digests that this release was made for. */
export const pins = /** @type {Pins} */ (readJson(fileURLToPath(new URL('wheels.json', import.meta.url))));

/**
 * @param {string} root
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {string} XDG_CACHE_HOME/lockstep, ~/.cache/lockstep, or the project's own where neither can be written
 */
export function wheelCache(root, env = process.env) {
  const shared = join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'lockstep');
  try {
    mkdirSync(shared, { recursive: true });
    accessSync(shared, constants.W_OK);
    return shared;
  } catch {
    return join(root, '.cache', 'wheels');
  }
}

/**
 * Bytes that the downloads for an engine still take in the cache. pip holds a file twice while it moves it there.
 * @param {string} cache
 * @param {Pin} pin
 */
export function bytesToDownload(cache, pin) {
  const main = sizeOf(join(cache, pin.file)) === pin.bytes ? 0 : 2 * pin.bytes;
  const extra = pin.extra && readJson(extraRecord(cache, pin)) === undefined ? 2 * (pin.extraBytes ?? 0) : 0;
  return main + extra;
}

/** @param {string} cache @param {Pin} pin */
const extraRecord = (cache, pin) => join(cache, `${pin.file}.${pin.extra}.json`);

/**
 * The wheels of an engine, from the cache or by pip.
 * @param {string} cache
 * @param {Pin} pin
 * @param {string} log
 * @returns {Promise<string[]>} absolute paths, TensorFlow's own first
 * @throws {SetupFailure}
 */
export async function fetchWheels(cache, pin, log) {
  const release = await takeLock(cache, {
    onWait: (holder) => say(`waiting for ${holder}, which downloads`),
  });
  try {
    discardStagings(cache);
    const main = await fetchPinned(cache, pin, log);
    return pin.extra ? [main, ...(await fetchExtra(cache, pin, main, log))] : [main];
  } finally {
    release();
  }
}

/** @param {string} cache @param {Pin} pin @param {string} log */
async function fetchPinned(cache, pin, log) {
  const path = join(cache, pin.file);
  if (sizeOf(path) >= 0) {
    const digest = await stage(`checking ${pin.package} ${pins.version} in the cache`, () =>
      digestOfFile(path),
    );
    if (digest === pin.sha256) return path;
    say(`${path} is damaged: downloading it again`);
    discard(path);
  }
  await download(
    cache,
    [`${pin.package}==${pins.version}`],
    `${pin.package} ${pins.version}`,
    pin.bytes,
    log,
    async (folder) => {
      const found = readdirSync(folder);
      const staged = join(folder, pin.file);
      if (!found.includes(pin.file)) {
        throw new SetupFailure(
          `pip downloaded ${found.join(', ') || 'nothing'} where ${pin.file} was expected.`,
          'If PIP_INDEX_URL or PIP_FIND_LINKS names a mirror, its copy is another build: use another mirror.',
        );
      }
      const digest = await digestOfFile(staged);
      if (digest !== pin.sha256) {
        throw new SetupFailure(
          `The checksum of ${pin.file} is wrong: SHA-256 ${digest} instead of ${pin.sha256}.`,
          'The download was cut short or the package index serves another file: run the command again, and if that does not help, use another mirror (PIP_INDEX_URL).',
        );
      }
    },
  );
  return path;
}

/**
 * The wheels that TensorFlow's metadata names for its extra: the CUDA libraries.
 * @param {string} cache
 * @param {Pin} pin
 * @param {string} main TensorFlow's wheel
 * @param {string} log
 */
async function fetchExtra(cache, pin, main, log) {
  const { code, stdout, output } = await runCommand('python3', [reader, 'metadata', main], { log });
  if (code !== 0)
    throw new SetupFailure(
      `${main} can't be read: ${lastLine(output)}`,
      'Delete it and run the command again.',
    );
  const specs = requirementsOf(stdout, pin.extra ?? '');
  if (specs.length === 0) {
    throw new SetupFailure(
      `${pin.file} names no packages for its extra ${pin.extra}.`,
      'Set LOCKSTEP_ENGINE=cpu, or point LIBTENSORFLOW_DIR at a CUDA installation.',
    );
  }
  // The record keeps the digests as they were right after the download: pip has checked those against its index.
  const recordFile = extraRecord(cache, pin);
  const asked = digestOf(specs.join('\n'));
  const record = /** @type {{asked?: string, files?: {file: string, sha256: string}[]} | undefined} */ (
    readJson(recordFile)
  );
  if (record?.asked === asked && record.files) {
    const files = record.files;
    const whole = await stage('checking the CUDA wheels in the cache', async () => {
      for (const { file, sha256 } of files) {
        if (sizeOf(join(cache, file)) < 0 || (await digestOfFile(join(cache, file))) !== sha256) return false;
      }
      return true;
    });
    if (whole) return files.map(({ file }) => join(cache, file));
    say(`the CUDA wheels in ${cache} are damaged: downloading them again`);
  }
  /** @type {{file: string, sha256: string}[]} */
  const files = [];
  await download(cache, specs, `${specs.length} CUDA packages`, pin.extraBytes ?? 0, log, async (folder) => {
    for (const file of readdirSync(folder))
      files.push({ file, sha256: await digestOfFile(join(folder, file)) });
  });
  writeJson(recordFile, { asked, files });
  return files.map(({ file }) => join(cache, file));
}

/**
 * @param {string} cache
 * @param {readonly string[]} specs requirement specifiers
 * @param {string} what for the user
 * @param {number} bytes expected, for the progress
 * @param {string} log
 * @param {(folder: string) => Promise<void>} check throws when what came must not be used
 */
async function download(cache, specs, what, bytes, log, check) {
  const staging = newStaging(cache, 'wheels');
  const folder = join(staging, 'done');
  const scratch = join(staging, 'scratch');
  mkdirSync(folder);
  mkdirSync(scratch);
  const args = [
    '-m',
    'pip',
    'download',
    '--no-deps',
    '--only-binary=:all:',
    '--no-input',
    '--progress-bar',
    'off',
  ];
  args.push('--python-version', pins.python, '--implementation', 'cp');
  for (const platform of pins.platforms) args.push('--platform', platform);
  args.push('--dest', folder, ...specs);
  try {
    await stage(`downloading ${what}, ${megabytes(bytes)}`, async (progress) => {
      const timer = setInterval(() => progress(Math.min(bytesIn(staging), bytes), bytes), 500);
      try {
        // pip unpacks below TMPDIR: here its room was checked, /tmp may be small.
        const env = { ...process.env, TMPDIR: scratch, PIP_DISABLE_PIP_VERSION_CHECK: '1' };
        const { code, output } = await runCommand('python3', args, { log, env });
        if (code !== 0) throw downloadFailure('pip', what, output, log);
      } finally {
        clearInterval(timer);
      }
      await check(folder);
      for (const file of readdirSync(folder)) renameSync(join(folder, file), join(cache, file));
    });
  } finally {
    discard(staging);
  }
}

/**
 * @param {string} metadata a wheel's METADATA
 * @param {string} extra
 * @returns {string[]} the requirement specifiers of that extra, without their markers
 */
export function requirementsOf(metadata, extra) {
  return metadata.split(/\r?\n/).flatMap((line) => {
    const match = /^Requires-Dist:\s*([^;]+?)\s*;(.*)$/.exec(line);
    if (!match?.[1] || !match[2]) return [];
    return new RegExp(`extra\\s*==\\s*["']${extra}["']`).test(match[2]) ? [match[1]] : [];
  });
}

/**
 * Unpacks chosen files of a wheel, each checked against the wheel's own record.
 * @param {string} wheel
 * @param {string} folder
 * @param {{include: string[], exclude: string[]}} choice patterns
 * @param {string} log
 * @param {(bytes: number) => void} progress
 * @returns {Promise<{path: string, bytes: number}[]>} paths relative to the folder
 */
export async function unpackWheel(wheel, folder, choice, log, progress) {
  const { code, stdout, output } = await runCommand(
    'python3',
    [reader, 'unpack', wheel, folder, JSON.stringify(choice)],
    {
      log,
      onLine: (line) => {
        if (/^\d+$/.test(line)) progress(Number(line));
      },
    },
  );
  if (code === 4) throw diskFull(folder);
  if (code === 3) {
    throw new SetupFailure(
      `The checksum of a file in ${wheel} is wrong: ${lastLine(output)}.`,
      'Delete that wheel and run the command again.',
    );
  }
  if (code !== 0)
    throw new SetupFailure(
      `Unpacking ${wheel} failed: ${lastLine(output)}`,
      `All that it printed is in ${log}.`,
    );
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '[]');
}
