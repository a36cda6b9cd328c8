/** What a job's control group leaves of the machine: the tightest limit on the way to the root, cgroup v2 and v1. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

export interface CgroupLimits {
  /** Bytes, or undefined where there is no limit. */
  readonly memoryBytes: number | undefined;
  /** Cores' worth of time. */
  readonly cpus: number | undefined;
}

/** @param root of the file system: tests have their own */
export function cgroupLimits(root = '/'): CgroupLimits {
  const memory: number[] = [];
  const cpus: number[] = [];
  for (const line of read(join(root, 'proc/self/cgroup')).split('\n')) {
    const [, controllers, path] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [];
    if (controllers === undefined || path === undefined) continue;
    const wanted = controllers.split(',');
    for (let folder = path; ; folder = dirname(folder)) {
      if (controllers === '') {
        const at = join(root, 'sys/fs/cgroup', folder);
        keep(memory, number(read(join(at, 'memory.max'))));
        const [quota, period] = read(join(at, 'cpu.max')).split(' ');
        keep(cpus, number(quota) / number(period));
      }
      if (wanted.includes('memory')) {
        keep(memory, number(read(join(root, 'sys/fs/cgroup/memory', folder, 'memory.limit_in_bytes'))));
      }
      if (wanted.includes('cpu')) {
        const at = join(root, 'sys/fs/cgroup/cpu', folder);
        keep(cpus, number(read(join(at, 'cpu.cfs_quota_us'))) / number(read(join(at, 'cpu.cfs_period_us'))));
      }
      if (folder === '/') break;
    }
  }
  return { memoryBytes: least(memory), cpus: least(cpus) };
}

/** v1 says "no limit" by a number close to 2⁶³, or by −1. */
const endless = 2 ** 60;

function keep(into: number[], value: number): void {
  if (value > 0 && value < endless) into.push(value);
}

function least(values: readonly number[]): number | undefined {
  return values.length === 0 ? undefined : Math.min(...values);
}

function number(text: string | undefined): number {
  return Number.parseInt(text ?? '', 10);
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return '';
  }
}
