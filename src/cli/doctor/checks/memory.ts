/** Memory for workers, shared memory for what they exchange, and how many files they may open. */
import { readFileSync, statfsSync } from 'node:fs';
import { regionFolder } from '../../../shared/transport/region.js';
import { about, type Finding } from '../finding.js';
import type { Plan } from '../plan.js';
import { bytes } from '../quantity.js';
import { cgroupLimits } from './cgroup.js';

const { failure, unless } = about('memory');

/** ResNet-50 in micro-batches of 16: 1.8 GB measured with four of them (docs/design.md), the tiny network 0.5 GB. */
const workerBytes = { resnet50: 2e9, other: 0.6e9 };
/** What a worker of ResNet-50 sends in a step: its gradients once as partial sums, once as results. */
export const exchangeBytes = 200e6;
/** Enough for a hundred peers, with about ten sockets and pipes each. */
const fewFiles = 1024;

export interface Memory {
  readonly totalBytes: number;
  readonly availableBytes: number;
  readonly limitBytes: number | undefined;
}

export function readMemory(): Memory {
  const text = readFileSync('/proc/meminfo', 'utf8');
  const entry = (name: string) => Number(new RegExp(`^${name}:\\s*(\\d+) kB`, 'm').exec(text)?.[1]) * 1024;
  return {
    totalBytes: entry('MemTotal'),
    availableBytes: entry('MemAvailable'),
    limitBytes: cgroupLimits().memoryBytes,
  };
}

export function memoryFinding(
  { totalBytes, availableBytes, limitBytes }: Memory,
  { config, workers }: Plan,
): Finding {
  const usable = Math.min(availableBytes, limitBytes ?? availableBytes);
  const large = config === undefined || config.model.encoder.startsWith('resnet');
  const needed = workers * (large ? workerBytes.resnet50 : workerBytes.other);
  const limit =
    limitBytes === undefined || limitBytes >= totalBytes ? '' : `, the job may use ${bytes(limitBytes)}`;
  const value = `${bytes(availableBytes)} free of ${bytes(totalBytes)}${limit}`;
  const advice = `${workers} workers need about ${bytes(needed)}: start fewer, or give the job more (Slurm: --mem).`;
  const facts = { totalBytes, availableBytes, limitBytes: limitBytes ?? null, neededBytes: needed };
  if (usable < workers * workerBytes.other) return failure('memory', value, advice, facts);
  return unless(usable < needed, 'memory', value, advice, facts);
}

export function sharedMemoryFinding(folder: string, freeBytes: number | undefined, workers: number): Finding {
  const neededBytes = workers * exchangeBytes;
  const facts = { folder, freeBytes: freeBytes ?? 0, neededBytes };
  const value = freeBytes === undefined ? `${folder} is not there` : `${bytes(freeBytes)} free in ${folder}`;
  return unless(
    (freeBytes ?? 0) < neededBytes,
    'shared memory',
    value,
    `${workers} workers of ResNet-50 share about ${bytes(neededBytes)}: raise it (docker: --shm-size), or set LOCKSTEP_SHM_DIR to a larger tmpfs. Without it they exchange over TCP.`,
    facts,
  );
}

export function openFilesFinding(limits: string): Finding {
  const [, soft] = /^Max open files\s+(\d+|unlimited)/m.exec(limits) ?? [];
  const most = soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft);
  const advice = `Raise it with \`ulimit -n 4096\`: a worker needs about ten for each other worker.`;
  return unless(most < fewFiles, 'open files', `${soft} at most`, advice, { limit: most });
}

export function memoryFindings(plan: Plan): Finding[] {
  const folder = regionFolder();
  return [
    memoryFinding(readMemory(), plan),
    sharedMemoryFinding(folder, freeIn(folder), plan.workers),
    openFilesFinding(readFileSync('/proc/self/limits', 'utf8')),
  ];
}

function freeIn(folder: string): number | undefined {
  try {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize;
  } catch {
    return undefined;
  }
}
