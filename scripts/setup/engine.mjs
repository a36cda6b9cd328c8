// The engine folder: libtensorflow, the headers for the addon and, with a GPU, the CUDA libraries beside it.
// @ts-check
import { existsSync, realpathSync, statSync } from 'node:fs';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { SetupFailure } from './failure.mjs';
import { discard, newStaging, putInPlace, readJson, sizeOf, writeJson } from './files.mjs';
import { stage } from './terminal.mjs';
import { fetchWheels, pins, unpackWheel, wheelCache } from './wheels.mjs';

/** @typedef {import('./choice.mjs').Choice} Choice */

/**
 * Where an engine is. Paths are absolute, or relative to the project's root.
 * @typedef {object} Engine
 * @property {'cpu' | 'gpu'} kind
 * @property {'wheel' | 'directory'} source
 * @property {string} libraryPath
 * @property {string} frameworkPath
 * @property {string} includePath holds tensorflow/c/c_api.h
 * @property {{path: string, bytes: number}[]} files what must be there, with sizes
 */

/** @typedef {Engine & {version: string, directory?: string}} EngineRecord engine.json, which src/shared/engine reads */

// tensorflow/ and nvidia/ lie side by side as in Python's site-packages: the library's RUNPATH looks for CUDA in
// $ORIGIN/../nvidia, and for ptxas and libdevice there too. Of 287 MB of headers, the addon includes 14 files.
const choice = {
  include: [
    'tensorflow/libtensorflow_cc.so.2',
    'tensorflow/libtensorflow_framework.so.2',
    'tensorflow/include/tensorflow/c/*.h',
    'tensorflow/include/tensorflow/core/platform/ctstring*.h',
    'tensorflow/include/tsl/platform/ctstring*.h',
    'tensorflow/include/xla/tsl/c/*.h',
    'nvidia/*',
  ],
  exclude: ['nvidia/*/include/*', '*.a', '*.py'],
};

/** @param {string} root */
export const engineFolder = (root) => join(root, '.engine');
/** @param {string} root */
const recordFile = (root) => join(engineFolder(root), 'engine.json');
/** @param {string} root @param {string} path */
export const fromRoot = (root, path) => (isAbsolute(path) ? path : join(root, path));

/** @param {string} root @returns {EngineRecord | undefined} what an earlier set-up finished and is still whole */
export function readEngine(root) {
  const record = /** @type {Partial<EngineRecord> | undefined} */ (readJson(recordFile(root)));
  if (!record?.files || !record.kind || !record.source || !record.libraryPath || !record.version)
    return undefined;
  const engine = /** @type {EngineRecord} */ (record);
  return isWhole(root, engine) ? engine : undefined;
}

/** @param {string} root @param {EngineRecord} record */
export function writeEngine(root, record) {
  writeJson(recordFile(root), record);
}

/** @param {string} root @param {Engine} engine */
function isWhole(root, engine) {
  return engine.files.every(({ path, bytes }) => sizeOf(fromRoot(root, path)) === bytes);
}

/**
 * @param {EngineRecord | undefined} record
 * @returns {Choice | undefined}
 */
export function choiceOf(record) {
  if (record === undefined) return undefined;
  const { source, kind, directory } = record;
  return source === 'directory' && directory ? { source, kind, directory } : { source: 'wheel', kind };
}

/** @param {EngineRecord} record @param {Choice} wanted @returns {boolean} */
export function satisfies(record, wanted) {
  if (record.source !== wanted.source || record.kind !== wanted.kind) return false;
  return wanted.source === 'directory'
    ? record.directory === wanted.directory
    : record.version === pins.version;
}

/**
 * @param {string} root
 * @param {'cpu' | 'gpu'} kind
 * @returns {Engine | undefined} the engine of that kind, if its folder is there and whole
 */
export function installedEngine(root, kind) {
  const engine = /** @type {Engine | undefined} */ (readJson(manifestFile(wheelFolder(root, kind))));
  return engine?.files && isWhole(root, engine) ? engine : undefined;
}

/** @param {string} root @param {'cpu' | 'gpu'} kind */
const wheelFolder = (root, kind) => join(engineFolder(root), `${kind}-${pins.version}`);
/** @param {string} folder */
const manifestFile = (folder) => join(folder, 'manifest.json');

/**
 * Downloads and unpacks an engine; its folder appears whole or not at all.
 * @param {string} root
 * @param {'cpu' | 'gpu'} kind
 * @param {string} log
 * @returns {Promise<Engine>}
 * @throws {SetupFailure}
 */
export async function installEngine(root, kind, log) {
  const pin = pins[kind];
  const wheels = await fetchWheels(wheelCache(root), pin, log);
  const staging = newStaging(engineFolder(root), kind);
  const name = `.engine/${kind}-${pins.version}`;
  const engine = await stage(`unpacking TensorFlow ${pins.version} (${kind})`, async (progress) => {
    /** @type {{path: string, bytes: number}[]} */
    const files = [];
    for (const wheel of wheels) {
      const before = files.reduce((sum, file) => sum + file.bytes, 0);
      files.push(
        ...(await unpackWheel(wheel, staging, choice, log, (bytes) =>
          progress(before + bytes, pin.installedBytes),
        )),
      );
    }
    /** @type {Engine} */
    const found = {
      kind,
      source: 'wheel',
      libraryPath: `${name}/tensorflow/libtensorflow_cc.so.2`,
      frameworkPath: `${name}/tensorflow/libtensorflow_framework.so.2`,
      includePath: `${name}/tensorflow/include`,
      files: files.map(({ path, bytes }) => ({ path: `${name}/${path}`, bytes })),
    };
    for (const path of [
      found.libraryPath,
      found.frameworkPath,
      `${found.includePath}/tensorflow/c/c_api.h`,
    ]) {
      if (!found.files.some((file) => file.path === path)) {
        throw new SetupFailure(
          `${wheels[0]} holds no ${path.slice(name.length + 1)}.`,
          'Delete that wheel and run the command again.',
        );
      }
    }
    writeJson(manifestFile(staging), found);
    putInPlace(staging, wheelFolder(root, kind));
    return found;
  });
  discard(staging);
  return engine;
}

// libtensorflow's own tarball calls it libtensorflow.so.2; Python's wheels have libtensorflow_cc.so.2.
const libraryNames = ['libtensorflow_cc.so.2', 'libtensorflow.so.2'];

/**
 * An installation that is there already: a folder with libraries and include/, a prefix with lib/ and include/, or
 * Python's site-packages (or its tensorflow folder).
 * @param {string} directory LIBTENSORFLOW_DIR
 * @param {'cpu' | 'gpu'} kind
 * @returns {Engine}
 * @throws {SetupFailure} that names what is missing
 */
export function engineIn(directory, kind) {
  const hint =
    'Set it to a folder that has libtensorflow_cc.so.2, libtensorflow_framework.so.2 and include/ (for example a Python site-packages/tensorflow), or unset it.';
  if (!statSync(directory, { throwIfNoEntry: false })?.isDirectory()) {
    throw new SetupFailure(`LIBTENSORFLOW_DIR names ${directory}, which is no folder.`, hint);
  }
  const folders = ['.', 'lib', 'lib64', 'tensorflow'].map((name) => join(directory, name));
  const libraryPath = firstOf(folders.flatMap((folder) => libraryNames.map((name) => join(folder, name))));
  const near = libraryPath === undefined ? directory : dirname(libraryPath);
  const frameworkPath = firstOf([join(near, 'libtensorflow_framework.so.2')]);
  const header = firstOf(
    [near, directory, resolve(near, '..')].map((folder) => join(folder, 'include/tensorflow/c/c_api.h')),
  );
  const missing = [
    libraryPath === undefined && 'libtensorflow_cc.so.2',
    frameworkPath === undefined && 'libtensorflow_framework.so.2',
    header === undefined && 'include/tensorflow/c/c_api.h',
  ].filter((name) => name !== false);
  if (libraryPath === undefined || frameworkPath === undefined || header === undefined) {
    throw new SetupFailure(
      `LIBTENSORFLOW_DIR names ${directory}, which lacks ${missing.join(' and ')}.`,
      hint,
    );
  }
  return {
    kind,
    source: 'directory',
    libraryPath,
    frameworkPath,
    includePath: resolve(header, '../../..'),
    files: [libraryPath, frameworkPath].map((path) => ({ path, bytes: sizeOf(path) })),
  };
}

/** @param {string[]} paths @returns {string | undefined} */
function firstOf(paths) {
  const path = paths.find((candidate) => existsSync(candidate));
  return path === undefined ? undefined : realpathSync(path);
}
