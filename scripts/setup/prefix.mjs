// `--prefix DIR`: the whole of Lockstep in another folder, such as one that all nodes of a cluster see.
// @ts-check
import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, realpathSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { SetupFailure } from './failure.mjs';

/** What a clone has that is not made by set-up, and that a run needs. */
const parts = ['bin', 'configs', 'data', 'docs', 'scripts', 'src', '.npmrc', 'LICENSE', 'README.md'].concat([
  'package.json',
  'package-lock.json',
  'tsconfig.json',
  'tsconfig.build.json',
]);

/**
 * Copies the sources there and sets them up with their own set-up.
 * @param {string} root of this clone
 * @param {string} prefix
 * @returns {Promise<number>} the exit code; the other set-up has said why
 * @throws {SetupFailure} when the folder holds something else
 */
export async function setUpAt(root, prefix) {
  const to = resolve(prefix);
  if (existsSync(to) && readdirSync(to).length > 0 && !existsSync(join(to, 'scripts', 'setup.mjs'))) {
    throw new SetupFailure(
      `${to} is not empty, and no Lockstep.`,
      'Give a new folder, or an earlier one of Lockstep to renew it.',
    );
  }
  mkdirSync(to, { recursive: true });
  if (realpathSync(to) !== realpathSync(root)) copyParts(root, to);
  const child = spawn(process.execPath, [join(to, 'scripts', 'setup.mjs')], { stdio: 'inherit' });
  return await new Promise((done, fail) => {
    child.once('error', fail);
    child.once('exit', (code) => done(code ?? 1));
  });
}

/** @param {string} root @param {string} to a file that a newer version no longer has must not stay */
function copyParts(root, to) {
  for (const part of parts) {
    rmSync(join(to, part), { recursive: true, force: true });
    if (existsSync(join(root, part))) cpSync(join(root, part), join(to, part), { recursive: true });
  }
}
