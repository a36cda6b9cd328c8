/** Tells whether two workers can map each other's memory. */
import fs from 'node:fs';
import os from 'node:os';
import { regionFolder } from './region.js';

/**
 * Equal for processes that see the same kernel and the same shared memory folder, or '' where there is none: two
 * containers of one machine have the same boot id but a /dev/shm each.
 */
export function machineIdentity(): string {
  try {
    const boot = fs.readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    const { dev, ino } = fs.statSync(regionFolder());
    return `${boot}/${os.hostname()}/${dev}:${ino}`;
  } catch {
    return '';
  }
}
