// A lock between set-ups, on one host or on several that share a file system; a dead holder's is taken over.
// @ts-check
import {
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

// The lock is the file with the highest number. Whoever finds its holder gone, or the lock free, makes the next
// number by link(2), which only one can; numbers never go down and the highest file is never removed. So there is
// no moment in which one process removes a lock that another has just taken.

const touchEvery = 5_000;
/** A holder on another host counts as dead when its file has not been touched for so long (ms), on our clock. */
const silence = 60_000;

/** @typedef {{pid: number, started: string, host: string} | {free: true}} Holder */

/**
 * @param {string} folder
 * @param {{onWait?: (holder: string) => void, pollMs?: number, silenceMs?: number}} [options]
 * @returns {Promise<() => void>} gives the lock back
 */
export async function takeLock(folder, { onWait, pollMs = 200, silenceMs = silence } = {}) {
  mkdirSync(folder, { recursive: true });
  const mine = join(folder, `lock-of-${hostname()}-${process.pid}-${Math.random().toString(36).slice(2)}`);
  /** @type {Holder} */
  const self = { pid: process.pid, started: startOf(process.pid) ?? '', host: hostIdentity() };
  writeFileSync(mine, JSON.stringify(self));
  try {
    let waiting = false;
    /** @type {{number: number, touched: number, since: number} | undefined} */
    let seen;
    for (;;) {
      const number = highest(folder);
      const holder = number < 0 ? { free: /** @type {const} */ (true) } : readHolder(folder, number);
      if (holder === undefined) continue;
      const touched = touchedAt(folder, number);
      if (seen?.number !== number || seen.touched !== touched) seen = { number, touched, since: Date.now() };
      if ('free' in holder || isDead(holder, Date.now() - seen.since > silenceMs)) {
        const next = join(folder, `lock.${number + 1}`);
        if (!tryLink(mine, next)) continue;
        if (highest(folder) > number + 1) {
          rmSync(next, { force: true });
          continue;
        }
        for (const lower of numbers(folder))
          if (lower <= number) rmSync(join(folder, `lock.${lower}`), { force: true });
        return hold(next);
      }
      if (!waiting) onWait?.(`process ${holder.pid} on ${holder.host.split(' ')[0]}`);
      waiting = true;
      await pause(pollMs);
    }
  } finally {
    rmSync(mine, { force: true });
  }
}

/** @param {string} path @returns {() => void} */
function hold(path) {
  const timer = setInterval(() => {
    try {
      utimesSync(path, new Date(), new Date());
    } catch {
      // The folder is gone: nobody is left to tell.
    }
  }, touchEvery);
  timer.unref();
  return () => {
    clearInterval(timer);
    try {
      writeFileSync(`${path}.free`, JSON.stringify({ free: true }));
      renameSync(`${path}.free`, path);
    } catch {
      // A full disk, or the folder is gone: then our death frees it.
    }
  };
}

/** @param {string} folder @returns {number[]} */
function numbers(folder) {
  return readdirSync(folder).flatMap((name) => {
    const match = /^lock\.(\d+)$/.exec(name);
    return match ? [Number(match[1])] : [];
  });
}

/** @param {string} folder */
function highest(folder) {
  return Math.max(-1, ...numbers(folder));
}

/** @param {string} folder @param {number} number @returns {Holder | undefined} undefined when it is no longer there */
function readHolder(folder, number) {
  try {
    return JSON.parse(readFileSync(join(folder, `lock.${number}`), 'utf8'));
  } catch (error) {
    // Files appear whole (link, rename), so one that can't be parsed was cut by a crash of the machine.
    return error instanceof SyntaxError ? { free: true } : undefined;
  }
}

/** @param {string} folder @param {number} number */
function touchedAt(folder, number) {
  return statSync(join(folder, `lock.${number}`), { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

/** @param {{pid: number, started: string, host: string}} holder @param {boolean} silent nothing has touched its file for long */
function isDead(holder, silent) {
  if (holder.host === hostIdentity()) return startOf(holder.pid) !== holder.started;
  return silent;
}

/** @param {string} from @param {string} to @returns {boolean} false when another was first */
function tryLink(from, to) {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  }
}

/** Name and boot of this host; a container with its own name counts as a host, as it has its own process ids. */
function hostIdentity() {
  let boot = '';
  try {
    boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    // Not Linux: the name must do.
  }
  return `${hostname()} ${boot}`;
}

/**
 * @param {number} pid
 * @returns {string | undefined} when the process started, so that a process id that was given again is told apart;
 *   undefined when it is gone
 */
function startOf(pid) {
  try {
    // The name in parentheses may hold blanks: fields are counted after it. Start time is field 22, state is field 3.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    return fields[0] === 'Z' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}
