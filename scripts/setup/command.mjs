// Runs other programs for set-up, with all that they print kept in one log.
// @ts-check
import { spawn } from 'node:child_process';
import { accessSync, appendFileSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/**
 * @param {string} name
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {string | undefined} the program's path, as a shell would find it
 */
export function findProgram(name, env = process.env) {
  for (const folder of (env.PATH ?? '').split(delimiter)) {
    if (folder === '') continue;
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      if (statSync(path).isFile()) return path;
    } catch {
      // Not in this folder: the next may have it.
    }
  }
  return undefined;
}

/**
 * @typedef {object} CommandOptions
 * @property {string} log file that everything printed is appended to
 * @property {string} [cwd]
 * @property {NodeJS.ProcessEnv} [env]
 * @property {(line: string) => void} [onLine] each line of stdout as it comes
 */

/**
 * Runs a program to its end, without a shell.
 * @param {string} program
 * @param {readonly string[]} args
 * @param {CommandOptions} options
 * @returns {Promise<{code: number, stdout: string, output: string}>} `output` is stdout and stderr together; the code
 *   is 127 when the program could not be started, 128 when a signal ended it
 */
export function runCommand(program, args, options) {
  const { log, cwd, env, onLine } = options;
  return new Promise((resolve) => {
    const child = spawn(program, args, { cwd, env: env ?? process.env, stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let output = '';
    let rest = '';
    /** @param {number} code */
    const finish = (code) => {
      try {
        appendFileSync(log, `$ ${[program, ...args].join(' ')}\n${output}\n(exit code ${code})\n`);
      } catch {
        // A log that can't be written (a full disk) must not hide what failed.
      }
      resolve({ code, stdout, output });
    };
    child.stdout.setEncoding('utf8').on('data', (/** @type {string} */ text) => {
      stdout += text;
      output += text;
      if (onLine) {
        const lines = (rest + text).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) onLine(line);
      }
    });
    child.stderr.setEncoding('utf8').on('data', (/** @type {string} */ text) => {
      output += text;
    });
    child.on('error', (error) => {
      output += error.message;
      finish(127);
    });
    child.on('close', (code) => finish(code ?? 128));
  });
}
