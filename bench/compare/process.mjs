// A contestant's process: started, spoken to in lines, ended with all that it started.
// @ts-check
import { spawn } from 'node:child_process';

const TAIL_LINES = 6;

export class Program {
  /** @type {import('node:child_process').ChildProcess} */
  #child;
  #stdout = '';
  #stderr = '';
  /** @type {Error | undefined} */
  #error;
  /** @type {string | undefined} */
  #ended;
  #changed = () => {};
  #timeoutMs;

  /**
   * @param {string} program
   * @param {readonly string[]} args
   * @param {{ cwd: string, timeoutMs: number, signal: AbortSignal }} options `timeoutMs` for whatever is waited for
   */
  constructor(program, args, { cwd, timeoutMs, signal }) {
    this.#timeoutMs = timeoutMs;
    // A group of its own, so that a contestant that hangs is ended with all the workers it started.
    const child = spawn(program, args, { cwd, detached: true, stdio: ['pipe', 'pipe', 'pipe'] });
    this.#child = child;
    // A program that has ended reads nothing more; its exit code tells.
    child.stdin.on('error', () => {});
    child.stdout.setEncoding('utf8').on('data', (/** @type {string} */ text) => {
      this.#stdout += text;
      this.#changed();
    });
    child.stderr.setEncoding('utf8').on('data', (/** @type {string} */ text) => {
      this.#stderr = (this.#stderr + text).slice(-20_000);
    });
    const end = () => this.end();
    signal.addEventListener('abort', end);
    child.on('error', (error) => {
      this.#error = error;
      this.#changed();
    });
    child.on('close', (code, killedBy) => {
      signal.removeEventListener('abort', end);
      this.#ended = `${code ?? killedBy}`;
      this.#changed();
    });
  }

  say(/** @type {string} */ line) {
    this.#child.stdin?.write(`${line}\n`);
  }

  /** @returns {Promise<unknown>} the JSON document of the next line; rejects when the program ends, fails or hangs */
  async line() {
    await this.#until(() => this.#stdout.includes('\n') || this.#ended !== undefined);
    const end = this.#stdout.indexOf('\n');
    if (end < 0) throw this.#failure(`ended with ${this.#ended} before its next line`);
    const text = this.#stdout.slice(0, end);
    this.#stdout = this.#stdout.slice(end + 1);
    return this.#parse(text);
  }

  /** @returns {Promise<unknown>} the JSON document that is the rest; rejects when the program fails or hangs */
  async rest() {
    this.#child.stdin?.end();
    await this.#until(() => this.#ended !== undefined);
    if (this.#ended !== '0') throw this.#failure(`ended with ${this.#ended}`);
    return this.#parse(this.#stdout);
  }

  end() {
    if (this.#child.pid === undefined) return;
    try {
      process.kill(-this.#child.pid, 'SIGKILL');
    } catch {
      // It has ended by itself in the meantime.
    }
  }

  async #until(/** @type {() => boolean} */ holds) {
    const late = Date.now() + this.#timeoutMs;
    while (!holds()) {
      if (this.#error !== undefined) throw this.#error;
      const left = late - Date.now();
      if (left <= 0) {
        this.end();
        throw this.#failure(`no result after ${this.#timeoutMs / 1000} s`);
      }
      /** @type {NodeJS.Timeout | undefined} */
      let timer;
      await new Promise((resolve) => {
        this.#changed = () => resolve(undefined);
        timer = setTimeout(resolve, left);
      });
      clearTimeout(timer);
    }
  }

  #parse(/** @type {string} */ text) {
    try {
      return /** @type {unknown} */ (JSON.parse(text));
    } catch {
      throw this.#failure(`printed no JSON document on stdout: ${JSON.stringify(text.slice(0, 200))}`);
    }
  }

  #failure(/** @type {string} */ what) {
    return new Error(`${what}\n${this.#stderr.trim().split('\n').slice(-TAIL_LINES).join('\n')}`);
  }
}

/** @returns {AbortSignal} which aborts when this program is told to end, so that what it started ends, too */
export function interruption() {
  const abort = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM']) process.once(name, () => abort.abort(new Error('interrupted')));
  return abort.signal;
}

/**
 * Runs a contestant to its end.
 *
 * @param {string} program
 * @param {readonly string[]} args
 * @param {{ cwd: string, timeoutMs: number, signal: AbortSignal }} options
 * @returns {Promise<unknown>} the JSON document it printed; rejects with the end of stderr when the program fails, hangs or prints none
 */
export function runForJson(program, args, options) {
  return new Program(program, args, options).rest();
}
