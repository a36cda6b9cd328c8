// Set-up from top to bottom: what is missing is found first, then checked for, then installed in order.
// @ts-check
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { addonVersion, buildAddon } from './addon.mjs';
import { buildIsCurrent, buildSources } from './build.mjs';
import { chooseEngine, hasGpuDriver } from './choice.mjs';
import { findProgram, runCommand } from './command.mjs';
import {
  choiceOf,
  engineFolder,
  engineIn,
  installEngine,
  installedEngine,
  readEngine,
  satisfies,
  writeEngine,
} from './engine.mjs';
import { diskFull, SetupFailure, saysDiskFull, textOf } from './failure.mjs';
import { discardStagings, missingSpace } from './files.mjs';
import { takeLock } from './lock.mjs';
import { installPackages, packagesAreCurrent } from './packages.mjs';
import { setUpAt } from './prefix.mjs';
import { say } from './terminal.mjs';
import { bytesToDownload, pins, wheelCache } from './wheels.mjs';

/** @typedef {import('./choice.mjs').Choice} Choice */
/** @typedef {import('./engine.mjs').Engine} Engine */

/**
 * What is there and what is not.
 * @typedef {object} State
 * @property {Choice} wanted
 * @property {boolean} packages
 * @property {Engine | undefined} engine
 * @property {boolean} addon
 * @property {boolean} record engine.json is the wanted engine's
 * @property {boolean} build
 */

/** Installs what is missing, here or at --prefix, and reports on stderr; sets the exit code to 1 on a failure. */
export async function main() {
  const root = fileURLToPath(new URL('../..', import.meta.url));
  try {
    const prefix = prefixOf(process.argv.slice(2));
    if (prefix !== undefined) {
      process.exitCode = await setUpAt(root, prefix);
      return;
    }
    const { kind, version } = await setUp(root);
    say(`ready, TensorFlow ${version} (${kind})`);
  } catch (error) {
    const failure = error instanceof Error && saysDiskFull(error.message) ? diskFull(root) : error;
    const hint = failure instanceof SetupFailure ? ` ${failure.hint}` : '';
    process.stderr.write(`lockstep set-up failed: ${textOf(failure)}${hint}\n`);
    if (!(failure instanceof SetupFailure) && failure instanceof Error)
      process.stderr.write(`${failure.stack}\n`);
    process.exitCode = 1;
  }
}

/** @param {string[]} args @returns {string | undefined} */
function prefixOf(args) {
  try {
    return parseArgs({ args, options: { prefix: { type: 'string' } } }).values.prefix;
  } catch (error) {
    throw new SetupFailure(textOf(error), 'It takes --prefix DIR, or nothing.');
  }
}

/** @param {string} root */
async function setUp(root) {
  const before = stateOf(root);
  const ready = readyEngine(root, before);
  if (ready) return ready;

  const work = join(root, '.cache', 'setup');
  const log = join(work, 'setup.log');
  const release = await takeLock(work, { onWait: (holder) => say(`waiting for another set-up (${holder})`) });
  try {
    const state = stateOf(root);
    const done = readyEngine(root, state);
    if (done) return done;
    await checkMachine(root, state, log);
    mkdirSync(engineFolder(root), { recursive: true });
    writeFileSync(log, '');
    discardStagings(work);
    discardStagings(engineFolder(root));

    if (!state.packages) await installPackages(root, work, log);
    const { wanted } = state;
    const engine = state.engine ?? (await installEngine(root, wanted.kind, log));
    const version = addonVersion(root, engine) ?? (await buildAddon(root, engine, pins.version, log));
    const record = {
      ...engine,
      version,
      ...(wanted.source === 'directory' && { directory: wanted.directory }),
    };
    writeEngine(root, record);
    if (!buildIsCurrent(root)) await buildSources(root, log);
    return record;
  } finally {
    release();
  }
}

/** @param {string} root @returns {State} */
function stateOf(root) {
  const record = readEngine(root);
  const wanted = chooseEngine(process.env, choiceOf(record), hasGpuDriver());
  const engine =
    wanted.source === 'directory'
      ? engineIn(wanted.directory, wanted.kind)
      : installedEngine(root, wanted.kind);
  const packages = packagesAreCurrent(root);
  return {
    wanted,
    packages,
    engine,
    addon: packages && engine !== undefined && addonVersion(root, engine) !== undefined,
    record: record !== undefined && satisfies(record, wanted),
    build: buildIsCurrent(root),
  };
}

/** @param {string} root @param {State} state @returns {import('./engine.mjs').EngineRecord | undefined} */
function readyEngine(root, state) {
  const { packages, engine, addon, record, build } = state;
  return packages && engine && addon && record && build ? readEngine(root) : undefined;
}

/**
 * Finds out in the first second what would make a long installation fail at its end.
 * @param {string} root
 * @param {State} state
 * @param {string} log
 */
async function checkMachine(root, state, log) {
  const { wanted } = state;
  const download = state.engine === undefined;
  if (download && (process.platform !== 'linux' || process.arch !== 'x64')) {
    throw new SetupFailure(
      `The TensorFlow wheels are for Linux on x86-64, this machine is ${process.platform} on ${process.arch}.`,
      'Point LIBTENSORFLOW_DIR at an installation made for it.',
    );
  }
  if (!state.packages && !findProgram('npm')) {
    throw new SetupFailure(
      'npm is not on the PATH.',
      'It comes with Node: install Node 20 or 22 whole, then run the command again.',
    );
  }
  const apt = 'on Debian or Ubuntu: apt-get install';
  if (download && !findProgram('python3')) {
    throw new SetupFailure(
      'python3 is not on the PATH; set-up downloads and unpacks TensorFlow with it.',
      `Install it (${apt} python3 python3-pip), or point LIBTENSORFLOW_DIR at an installation.`,
    );
  }
  if (!(state.addon && state.build) && !findProgram('g++')) {
    throw new SetupFailure(
      "g++ is not on the PATH; set-up compiles tfjs's addon and our native functions with it.",
      `Install it (${apt} g++; on a cluster: module load gcc).`,
    );
  }
  if (download) {
    const pip = await runCommand('python3', ['-m', 'pip', '--version'], { log });
    if (pip.code !== 0) {
      throw new SetupFailure(
        'python3 has no pip; set-up downloads TensorFlow with it.',
        `Install it (${apt} python3-pip, or python3 -m ensurepip), or point LIBTENSORFLOW_DIR at an installation.`,
      );
    }
  }
  const cache = wheelCache(root);
  const pin = pins[wanted.kind];
  const lack = missingSpace([
    { folder: join(root, 'node_modules'), bytes: state.packages ? 0 : pins.packagesBytes },
    { folder: engineFolder(root), bytes: download ? pin.installedBytes : 0 },
    { folder: cache, bytes: download ? bytesToDownload(cache, pin) : 0 },
  ]);
  if (lack) {
    const gigabytes = (/** @type {number} */ bytes) => `${(bytes / 1e9).toFixed(1)} GB`;
    throw new SetupFailure(
      `The disk that holds ${lack.folder} is too full: set-up needs ${gigabytes(lack.needed)}, ${gigabytes(lack.free)} are free.`,
      'Free some space; downloads go to XDG_CACHE_HOME, which may name another disk.',
    );
  }
}
