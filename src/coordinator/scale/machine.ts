/** What a study runs on, and how busy others keep it. */
import { cpus, hostname, release, totalmem } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { visibleGpus } from '../gpus.js';
import type { Study } from './study.js';

export function machine(): Study['machine'] {
  const processors = cpus();
  return {
    host: hostname(),
    processor: processors[0]?.model.trim() ?? 'unknown',
    cores: Math.max(1, processors.length),
    gpus: visibleGpus().length,
    memoryGb: Math.round(totalmem() / 1e9),
    kernel: release(),
  };
}

/** The share of the cores' time that is in use while this process does nothing: 0 to 1. */
export async function loadOfOthers(milliseconds: number): Promise<number> {
  const before = ticks();
  await sleep(milliseconds);
  const after = ticks();
  const all = after.all - before.all;
  return all === 0 ? 0 : 1 - (after.idle - before.idle) / all;
}

function ticks(): { readonly all: number; readonly idle: number } {
  let all = 0;
  let idle = 0;
  for (const { times } of cpus()) {
    all += times.user + times.nice + times.sys + times.idle + times.irq;
    idle += times.idle;
  }
  return { all, idle };
}
