/** A piece of memory that the workers of one host share: a file in /dev/shm, mapped, and soon without a name. */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { getSystemErrorName } from 'node:util';
import koffi, { type KoffiFunc } from 'koffi';
import { LockstepError } from '../errors.js';

const { O_CREAT, O_EXCL, O_RDWR, O_RDONLY, O_NOFOLLOW } = fs.constants;
// These values are Linux's.
const PROT_READ = 1;
const PROT_WRITE = 2;
const MAP_SHARED = 1;
const MAP_POPULATE = 0x8000;
const MAP_FAILED = 0xffff_ffff_ffff_ffffn;
const EINTR = 4;

// The C library that Node has loaded already: koffi unloads what it opened, and this one stays.
const libc = koffi.load(null);
const posixFallocate = libc.func(
  'int posix_fallocate(int fd, int64_t offset, int64_t length)',
) as unknown as KoffiFunc<(fd: number, offset: number, length: number) => number>;
const mmap = libc.func(
  'void *mmap(void *address, size_t length, int protection, int flags, int fd, int64_t offset)',
) as unknown as KoffiFunc<
  (address: null, length: number, protection: number, flags: number, fd: number, offset: number) => bigint
>;
const munmap = libc.func('int munmap(void *address, size_t length)') as unknown as KoffiFunc<
  (address: bigint, length: number) => number
>;

/** Unmaps when no view is left: ZeroMQ may hold one long after a link is closed. */
const mappings = new FinalizationRegistry<{ address: bigint; bytes: number }>(({ address, bytes }) => {
  munmap(address, bytes);
});

/** Files that still have a name, removed when the process ends early. */
const named = new Set<string>();
process.on('exit', () => {
  for (const file of named) fs.rmSync(file, { force: true });
});

const prefix = 'lockstep-';

/** Where regions are made: `LOCKSTEP_SHM_DIR`, or /dev/shm. */
export function regionFolder(): string {
  return process.env.LOCKSTEP_SHM_DIR ?? '/dev/shm';
}

/** A worker's own region. Peers map it by its path until `unlink`. */
export class Region {
  private constructor(
    readonly path: string,
    readonly buffer: ArrayBuffer,
  ) {}

  /**
   * A new region that only this user can open, with all its memory reserved.
   *
   * @throws LockstepError TRANSPORT when there is no room for it
   */
  static create(bytes: number): Region {
    const file = path.join(regionFolder(), `${prefix}${process.pid}-${randomBytes(8).toString('hex')}`);
    let fd: number | undefined;
    try {
      sweep();
      fd = fs.openSync(file, O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW, 0o600);
      named.add(file);
      // Without it a full file system shows only as SIGBUS, at the first write that finds no page.
      let code = posixFallocate(fd, 0, bytes);
      while (code === EINTR) code = posixFallocate(fd, 0, bytes);
      if (code !== 0) throw new Error(getSystemErrorName(-code));
      return new Region(file, map(fd, bytes, PROT_READ | PROT_WRITE));
    } catch (cause) {
      if (fd !== undefined) remove(file);
      const megabytes = Math.ceil(bytes / 1e6);
      throw new LockstepError(
        'TRANSPORT',
        `No ${megabytes} MB of shared memory in ${regionFolder()}: ${(cause as Error).message}.`,
        { hint: 'In a container, raise its share (docker: --shm-size).', cause },
      );
    } finally {
      if (fd !== undefined) fs.closeSync(fd);
    }
  }

  /** Removes the name. The memory lives until the last process that has mapped it ends or lets go. */
  unlink(): void {
    remove(this.path);
  }
}

/**
 * A peer's region.
 *
 * @param access whether it can be written to
 * @throws LockstepError TRANSPORT when it is not there, not this user's, or shorter than announced
 */
export function openRegion(
  file: string,
  bytes: number,
  access: 'read' | 'read and write' = 'read',
): ArrayBuffer {
  const writes = access === 'read and write';
  let fd: number | undefined;
  try {
    if (path.dirname(file) !== regionFolder() || !path.basename(file).startsWith(prefix)) {
      throw new Error('that is no place for it');
    }
    fd = fs.openSync(file, (writes ? O_RDWR : O_RDONLY) | O_NOFOLLOW);
    const { size, uid } = fs.fstatSync(fd);
    if (uid !== process.getuid?.()) throw new Error('another user made it');
    if (size < bytes) throw new Error(`it has ${size} bytes of ${bytes}`);
    return map(fd, bytes, writes ? PROT_READ | PROT_WRITE : PROT_READ);
  } catch (cause) {
    throw new LockstepError(
      'TRANSPORT',
      `Shared memory ${file} can't be used: ${(cause as Error).message}.`,
      { cause },
    );
  } finally {
    if (fd !== undefined) fs.closeSync(fd);
  }
}

function map(fd: number, bytes: number, protection: number): ArrayBuffer {
  // Populated at once, so that no page fault falls into a step.
  const address = mmap(null, bytes, protection, MAP_SHARED | MAP_POPULATE, fd, 0);
  if (BigInt.asUintN(64, address) === MAP_FAILED) throw new Error(`mmap: errno ${koffi.errno()}`);
  const buffer = koffi.view(address, bytes);
  mappings.register(buffer, { address, bytes });
  return buffer;
}

/** A region loses its name as soon as all have mapped it; older than this it was left by a process that was killed. */
const forgottenMs = 60_000;

/** Removes what killed processes of this user have left. */
function sweep(): void {
  const folder = regionFolder();
  for (const name of fs.readdirSync(folder)) {
    const pid = /^lockstep-(\d+)-[0-9a-f]{16}$/.exec(name)?.[1];
    if (pid === undefined || fs.existsSync(`/proc/${pid}`)) continue;
    const file = path.join(folder, name);
    const found = fs.statSync(file, { throwIfNoEntry: false });
    if (
      found?.uid === process.getuid?.() &&
      found !== undefined &&
      Date.now() - found.mtimeMs > forgottenMs
    ) {
      fs.rmSync(file, { force: true });
    }
  }
}

function remove(file: string): void {
  fs.rmSync(file, { force: true });
  named.delete(file);
}
