/** How fast and how full the disks are that hold runs and data: a checkpoint's way to write and read, tried with 32 MB. */
import { existsSync, statfsSync } from 'node:fs';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { isSystemError, writeAtomically } from '../../../shared/checkpoint/durable.js';
import { about, type Finding } from '../finding.js';
import { forgetFile } from '../page-cache.js';
import { bytes, milliseconds } from '../quantity.js';

const { failure, unless } = about('disk');

const block = 1 << 20;
const blocks = 32;
const smallFiles = 16;

/** ResNet-50's checkpoint is 190 MB with momentum, 280 MB with Adam; three are kept, beside the best. */
const roomBytes = { warning: 2e9, failure: 0.4e9 };
/** A checkpoint of 190 MB then takes 4 s. */
const slowBytesPerSecond = 50e6;
/** Metrics and manifests are small files that are renamed into place. */
const slowRenameMs = 50;

export interface Disk {
  readonly folder: string;
  readonly fileSystem: string;
  readonly freeBytes: number;
  /** Written and synced. */
  readonly writeBytesPerSecond: number;
  /** Read again, not from the kernel's memory. */
  readonly readBytesPerSecond: number;
  /** The median time until a small file is durably in place under its name. */
  readonly smallFileMs: number;
}

/**
 * Measures in a folder of its own, which it removes, in `folder` or what there is above it.
 * @throws what the file system throws
 */
export async function measureDisk(folder: string): Promise<Disk> {
  // Not made by mkdir's `recursive`, which never ends where the kernel makes folders, as in /proc.
  let above = folder;
  while (!existsSync(above) && dirname(above) !== above) above = dirname(above);
  const own = await mkdtemp(join(above, '.lockstep-doctor-'));
  try {
    return await measureIn(folder, own);
  } finally {
    await rm(own, { recursive: true, force: true });
  }
}

async function measureIn(folder: string, own: string): Promise<Disk> {
  const { type, bavail, bsize } = statfsSync(own);
  const freeBytes = bavail * bsize;
  const { writeSeconds, readSeconds } = await timeLargeFile(join(own, 'large'));
  const times: number[] = [];
  for (let i = 0; i < smallFiles; i += 1) {
    const start = performance.now();
    await writeAtomically(join(own, 'small'), 'x'.repeat(4096));
    times.push(performance.now() - start);
  }
  times.sort((a, b) => a - b);
  return {
    folder,
    fileSystem: fileSystems[type] ?? `type 0x${type.toString(16)}`,
    freeBytes,
    writeBytesPerSecond: (block * blocks) / writeSeconds,
    readBytesPerSecond: (block * blocks) / readSeconds,
    smallFileMs: times[smallFiles >> 1]!,
  };
}

async function timeLargeFile(
  path: string,
): Promise<{ readonly writeSeconds: number; readonly readSeconds: number }> {
  const data = Buffer.alloc(block, 0x5a);
  const file = await open(path, 'w+');
  try {
    const began = performance.now();
    for (let i = 0; i < blocks; i += 1) await file.write(data);
    await file.sync();
    const written = performance.now();
    forgetFile(file.fd);
    const forgotten = performance.now();
    for (let i = 0; i < blocks; i += 1) await file.read(data, 0, block, i * block);
    return {
      writeSeconds: (written - began) / 1000,
      readSeconds: (performance.now() - forgotten) / 1000,
    };
  } finally {
    await file.close();
  }
}

/** By the magic numbers of statfs(2). */
const fileSystems: Readonly<Record<number, string>> = {
  61267: 'ext4',
  1481003842: 'xfs',
  2435016766: 'btrfs',
  801189825: 'zfs',
  16914836: 'tmpfs',
  2035054128: 'overlay',
  26985: 'NFS',
  198183888: 'Lustre',
  1196445255: 'GPFS',
  428016422: 'BeeGFS',
  12805120: 'Ceph',
};

export async function diskFinding(check: string, folder: string): Promise<Finding> {
  const at = resolve(folder);
  try {
    return judgeDisk(check, await measureDisk(at));
  } catch (error) {
    const full = isSystemError(error, 'ENOSPC', 'EDQUOT');
    const advice = full
      ? 'Free some space, or choose another folder.'
      : 'Choose a folder where this user may write (--runs, or LOCKSTEP_CACHE for data).';
    return failure(check, `${at}: ${(error as Error).message}`, advice, { folder: at });
  }
}

export function judgeDisk(check: string, disk: Disk): Finding {
  const { folder, fileSystem, freeBytes, writeBytesPerSecond, readBytesPerSecond, smallFileMs } = disk;
  const value = `${folder} (${fileSystem}): ${bytes(freeBytes)} free, ${bytes(writeBytesPerSecond)}/s written, ${bytes(readBytesPerSecond)}/s read, ${milliseconds(smallFileMs)} a small file`;
  if (freeBytes < roomBytes.failure)
    return failure(check, value, 'Free some space: not even one checkpoint of ResNet-50 fits.', { ...disk });
  if (freeBytes < roomBytes.warning)
    return unless(true, check, value, 'Free some space: checkpoints of ResNet-50 take up to 280 MB each.', {
      ...disk,
    });
  const slow =
    Math.min(writeBytesPerSecond, readBytesPerSecond) < slowBytesPerSecond || smallFileMs > slowRenameMs;
  return unless(
    slow,
    check,
    value,
    'This disk is slow, or busy: write checkpoints less often, or choose another folder (for data: LOCKSTEP_CACHE).',
    { ...disk },
  );
}
