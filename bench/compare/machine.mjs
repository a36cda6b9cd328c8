// What the numbers were measured on, and how busy others kept it meanwhile.
// @ts-check
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';

/** @typedef {{ cpu: string, cores: number, memoryGB: number, kernel: string, node: string, vectors: string }} Machine */

const VECTOR_FLAGS = ['avx2', 'avx512f', 'avx512_bf16', 'avx512_fp16', 'amx_bf16'];

/** @returns {Machine} */
export function machine() {
  const flags = /^flags\s*:\s*(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1]?.split(' ') ?? [];
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGB: Math.round(totalmem() / 1e9),
    kernel: release(),
    node: process.version,
    vectors: VECTOR_FLAGS.filter((flag) => flags.includes(flag)).join(' '),
  };
}

/**
 * @param {string} root
 * @returns {string} the commit that was measured, marked when files differ from it
 */
export function commit(root) {
  const git = (/** @type {string[]} */ ...args) =>
    execFileSync('git', args, { cwd: root, encoding: 'utf8' }).trim();
  try {
    const changed = git('status', '--porcelain', '--untracked-files=no', '--', 'src', 'bench') !== '';
    return git('rev-parse', '--short=10', 'HEAD') + (changed ? ' with local changes' : '');
  } catch {
    return 'unknown';
  }
}

/**
 * The share of all cores' time that is in use while we do nothing, stolen by the host included.
 * @param {number} milliseconds for how long to watch
 * @returns {Promise<number>} 0 to 1
 */
export async function loadOfOthers(milliseconds) {
  const before = ticks();
  await pause(milliseconds);
  const after = ticks();
  const all = after.all - before.all;
  return all === 0 ? 0 : 1 - (after.idle - before.idle) / all;
}

function ticks() {
  const line = readFileSync('/proc/stat', 'utf8').split('\n', 1)[0] ?? '';
  // user nice system idle iowait irq softirq steal; guest time is already in user.
  const values = line.trim().split(/\s+/).slice(1, 9).map(Number);
  return {
    all: values.reduce((sum, value) => sum + value, 0),
    idle: (values[3] ?? 0) + (values[4] ?? 0),
  };
}
