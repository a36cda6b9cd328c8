// The compiled program in dist/, and the native functions beside it, rebuilt when a source has changed.
// @ts-check
import { chmodSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { runCommand } from './command.mjs';
import { compilerFailure, diskFull, SetupFailure, saysDiskFull } from './failure.mjs';
import { digestOf, discard, readJson, sizeOf, writeJson } from './files.mjs';
import { stage } from './terminal.mjs';

/** @param {string} root */
const stampFile = (root) => join(root, 'dist', '.lockstep.json');

// -O3 vectorises. No contraction: the same bits from every kind of processor. No deletion: TensorFlow keeps pointers into
// kernels.so.
const compilerFlags = [
  ...['-std=c++17', '-O3', '-ffp-contract=off', '-pthread'],
  ...['-Wl,-z,nodelete', '-shared', '-fPIC'],
];

/** @param {string} root @param {RegExp} ending @returns {string[]} files below src/, relative to it, without tests */
function filesBelow(root, ending) {
  return readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((name) => ending.test(name) && !name.endsWith('.test.ts'))
    .sort();
}

/** @param {string} root @returns {string[]} files below src/ that are compiled, relative to it */
const sourceFiles = (root) => filesBelow(root, /\.(ts|cc)$/);

/** @param {string} root @returns {string} digest of sources and compiler options: a checkout changes times, not this */
function sourcesDigest(root) {
  const paths = filesBelow(root, /\.(ts|cc|h|inc)$/).map((name) => join('src', name));
  const all = ['tsconfig.json', 'tsconfig.build.json', ...paths];
  const digests = all.map((path) => [path, digestOf(readFileSync(join(root, path)))]);
  return digestOf(JSON.stringify([compilerFlags, digests]));
}

/** @param {string} name */
const compiledName = (name) => name.replace(/\.ts$/, '.js').replace(/\.cc$/, '.so');

/** @param {string} root @returns {boolean} */
export function buildIsCurrent(root) {
  const stamp = /** @type {{sources?: string} | undefined} */ (readJson(stampFile(root)));
  if (stamp?.sources !== sourcesDigest(root)) return false;
  return sourceFiles(root).every((name) => sizeOf(join(root, 'dist', compiledName(name))) >= 0);
}

/**
 * @param {string} root
 * @param {string} log
 * @throws {SetupFailure} when a source has errors
 */
export async function buildSources(root, log) {
  await stage('compiling the sources', async () => {
    const digest = sourcesDigest(root);
    rmSync(stampFile(root), { force: true });
    // Without its record of an earlier run, tsc writes every file: an interrupted one can't leave old ones behind.
    rmSync(join(root, 'dist', '.tsbuildinfo'), { force: true });
    const compiler = join(root, 'node_modules/typescript/bin/tsc');
    const args = [compiler, '-p', 'tsconfig.build.json', '--pretty', 'false'];
    const { code, output } = await runCommand(process.execPath, args, { log, cwd: root });
    if (saysDiskFull(output)) throw diskFull('dist/');
    if (code !== 0) {
      const first = output.split('\n').find((line) => /error TS/.test(line)) ?? output.trim().slice(0, 300);
      throw new SetupFailure(
        `The sources do not compile: ${first.trim()}`,
        'Mend them; `npm run check` lists all errors.',
      );
    }
    for (const name of sourceFiles(root)) if (name.endsWith('.cc')) await buildNative(root, name, log);
    discardOrphans(root);
    // npm does this only when it installs: without it, `npx lockstep` fails once dist/ has been made anew.
    for (const program of programs(root)) chmodSync(join(root, program), 0o755);
    writeJson(stampFile(root), { sources: digest });
  });
}

/**
 * Built beside and renamed: a process that has the old one mapped keeps it.
 * @param {string} root
 * @param {string} name of a C++ source below src/
 * @param {string} log
 */
async function buildNative(root, name, log) {
  const output = join(root, 'dist', compiledName(name));
  const beside = `${output}.${process.pid}`;
  mkdirSync(dirname(output), { recursive: true });
  try {
    const args = [...compilerFlags, join(root, 'src', name), '-o', beside];
    const { code, output: said } = await runCommand('g++', args, { log });
    if (code !== 0) throw compilerFailure(`src/${name}`, said, log);
    renameSync(beside, output);
  } finally {
    discard(beside);
  }
}

/** @param {string} root @returns {string[]} what package.json says can be run */
function programs(root) {
  const manifest = /** @type {{bin?: Record<string, string>} | undefined} */ (
    readJson(join(root, 'package.json'))
  );
  return Object.values(manifest?.bin ?? {});
}

/** @param {string} root removes what was compiled from sources that are gone, so that nothing can import it */
function discardOrphans(root) {
  const wanted = new Set(sourceFiles(root).map(compiledName));
  for (const name of readdirSync(join(root, 'dist'), { recursive: true, encoding: 'utf8' })) {
    const match = /^(.*\.(?:js|so))(\.map|\.\d+)?$/.exec(name);
    if (match?.[1] && !wanted.has(match[1])) rmSync(join(root, 'dist', name), { force: true });
  }
}
