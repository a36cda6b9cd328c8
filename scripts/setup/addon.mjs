// tfjs's native addon, compiled from the sources in its npm package against the engine.
// @ts-check
import { mkdirSync, readdirSync, readFileSync, realpathSync, renameSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runCommand } from './command.mjs';
import { fromRoot } from './engine.mjs';
import { compilerFailure, SetupFailure } from './failure.mjs';
import { digestOf, discard, readJson, sizeOf, writeJson } from './files.mjs';
import { stage } from './terminal.mjs';

/** @typedef {import('./engine.mjs').Engine} Engine */

const flags = ['-std=c++17', '-O2', '-shared', '-fPIC', '-DNAPI_VERSION=8'];
const probe = fileURLToPath(new URL('probe.mjs', import.meta.url));

/** @param {string} root */
const tfjsFolder = (root) => join(root, 'node_modules/@tensorflow/tfjs-node-gpu');
/** @param {string} root */
const addonFolder = (root) => join(tfjsFolder(root), 'lib/napi-v8');
/** @param {string} root */
const stampFile = (root) => join(addonFolder(root), 'lockstep.json');

/** @param {string} root @returns {string[]} */
function sources(root) {
  const folder = join(tfjsFolder(root), 'binding');
  return readdirSync(folder)
    .sort()
    .map((name) => join(folder, name));
}

/** @param {string} root @param {Engine} engine @returns {string} changes with all that the addon is made of */
function keyOf(root, engine) {
  const texts = sources(root).map((path) => readFileSync(path, 'utf8'));
  const { libraryPath, frameworkPath, files } = engine;
  return digestOf(JSON.stringify([flags, texts, libraryPath, frameworkPath, files]));
}

/**
 * @param {string} root
 * @param {Engine} engine
 * @returns {string | undefined} TensorFlow's version if the addon is built for this engine and whole
 */
export function addonVersion(root, engine) {
  const stamp = /** @type {{key?: string, bytes?: number, version?: string} | undefined} */ (
    readJson(stampFile(root))
  );
  if (stamp?.version === undefined || sizeOf(join(addonFolder(root), 'tfjs_binding.node')) !== stamp.bytes)
    return undefined;
  return stamp.key === keyOf(root, engine) ? stamp.version : undefined;
}

/**
 * @param {string} root
 * @param {Engine} engine
 * @param {string} expected the version to note when the library names none
 * @param {string} log
 * @returns {Promise<string>} TensorFlow's version, as the loaded library gives it
 * @throws {SetupFailure}
 */
export async function buildAddon(root, engine, expected, log) {
  const folder = addonFolder(root);
  mkdirSync(folder, { recursive: true });
  for (const name of readdirSync(folder))
    if (/^tfjs_binding\.\d+\.node$/.test(name)) discard(join(folder, name));
  // Built beside and renamed: a process that has the old addon mapped keeps it.
  const beside = join(folder, `tfjs_binding.${process.pid}.node`);
  return stage("compiling tfjs's addon", async () => {
    try {
      const { code, output } = await runCommand('g++', compilerArguments(root, engine, beside), { log });
      if (code !== 0) throw compilerFailure("tfjs's addon", output, log);
      const version = (await loadedVersion(beside, engine, log)) ?? expected;
      renameSync(beside, join(folder, 'tfjs_binding.node'));
      writeJson(stampFile(root), {
        key: keyOf(root, engine),
        bytes: sizeOf(join(folder, 'tfjs_binding.node')),
        version,
      });
      return version;
    } finally {
      discard(beside);
    }
  });
}

/** @param {string} root @param {Engine} engine @param {string} output @returns {string[]} */
function compilerArguments(root, engine, output) {
  const library = fromRoot(root, engine.libraryPath);
  const libraries = dirname(library);
  // Relative to the addon, so that a clone can be moved or be seen under another path in a container.
  const runPath =
    engine.source === 'wheel'
      ? `$ORIGIN/${relative(realpathSync(dirname(output)), realpathSync(libraries))}`
      : libraries;
  return [
    ...flags,
    ...sources(root).filter((path) => path.endsWith('.cc')),
    '-I',
    join(root, 'node_modules/node-api-headers/include'),
    '-I',
    fromRoot(root, engine.includePath),
    '-L',
    libraries,
    `-l:${basename(library)}`,
    `-l:${basename(engine.frameworkPath)}`,
    `-Wl,-rpath,${runPath}`,
    '-o',
    output,
  ];
}

/** @param {string} addon @param {Engine} engine @param {string} log @returns {Promise<string | undefined>} */
async function loadedVersion(addon, engine, log) {
  const env = { ...process.env, TF_CPP_MIN_LOG_LEVEL: '3' };
  const { code, stdout } = await runCommand(process.execPath, [probe, addon], { log, env });
  /** @type {{version?: string | null, error?: string}} */
  let answer;
  try {
    answer = JSON.parse(stdout);
  } catch {
    answer = { error: `loading it ended the process with exit code ${code}` };
  }
  if (answer.error === undefined) return answer.version ?? undefined;
  throw new SetupFailure(
    `TensorFlow (${engine.libraryPath}) can't be loaded: ${answer.error.split('\n')[0]}`,
    engine.source === 'wheel'
      ? 'It needs Linux on x86-64 with glibc 2.27 or newer; on other machines point LIBTENSORFLOW_DIR at an installation made for them.'
      : 'Is LIBTENSORFLOW_DIR made for this machine, and are the libraries that it needs on LD_LIBRARY_PATH?',
  );
}
