// Runs one contestant to its end and gives back the JSON document it printed.
// @ts-check
import { spawn } from 'node:child_process';

const TAIL_LINES = 6;

/**
 * @param {string} program
 * @param {readonly string[]} args
 * @param {{ cwd: string, timeoutMs: number, signal: AbortSignal }} options
 * @returns {Promise<unknown>} rejects with the end of stderr when the program fails, hangs or prints no JSON
 */
export function runForJson(program, args, { cwd, timeoutMs, signal }) {
  return new Promise((resolve, reject) => {
    // A group of its own, so that a contestant that hangs is ended with all the workers it started.
    const child = spawn(program, args, { cwd, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (/** @type {string} */ text) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (/** @type {string} */ text) => {
      stderr = (stderr + text).slice(-20_000);
    });
    const endGroup = () => {
      if (child.pid === undefined) return;
      try {
        process.kill(-child.pid, 'SIGKILL');
      } catch {
        // It has ended by itself in the meantime.
      }
    };
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      endGroup();
    }, timeoutMs);
    signal.addEventListener('abort', endGroup);
    const settle = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', endGroup);
    };
    child.on('error', (error) => {
      settle();
      reject(error);
    });
    child.on('close', (code, killedBy) => {
      settle();
      const tail = stderr.trim().split('\n').slice(-TAIL_LINES).join('\n');
      if (timedOut) return reject(new Error(`no result after ${timeoutMs / 1000} s\n${tail}`));
      if (code !== 0) return reject(new Error(`ended with ${code ?? killedBy}\n${tail}`));
      try {
        resolve(JSON.parse(stdout));
      } catch {
        reject(
          new Error(`printed no JSON document on stdout: ${JSON.stringify(stdout.slice(0, 200))}\n${tail}`),
        );
      }
    });
  });
}
