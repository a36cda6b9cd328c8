/** Writes that survive a crash or a power cut: everything is on the disk before a name points at it. */
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { link, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/**
 * Writes `content` to `path` so that a reader, or the next start after a crash, sees the old or the new file, never a part.
 * @param mode of a new file, less the process's umask
 */
export async function writeAtomically(
  path: string,
  content: string | Uint8Array,
  mode = 0o666,
): Promise<void> {
  await putAtomically(path, content, mode, rename);
}

/**
 * As `writeAtomically`, of a file that must not be there.
 * @throws EEXIST if it is, also where two processes do so at once
 */
export async function createAtomically(path: string, content: string | Uint8Array): Promise<void> {
  await putAtomically(path, content, 0o666, async (beside) => {
    try {
      await link(beside, path);
    } catch (error) {
      // exFAT, and some that are mounted over a network by FUSE, know no links. There nothing tells two that come at once.
      if (!isSystemError(error, 'EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS')) throw error;
      if (existsSync(path)) throw Object.assign(new Error(`${path} exists`), { code: 'EEXIST' });
      await rename(beside, path);
      return;
    }
    await rm(beside);
  });
}

/** Whether a name is that of a file on its way; a process that was killed leaves it behind. */
export function isPartial(name: string): boolean {
  return name.startsWith('.') && name.endsWith('.partial');
}

async function putAtomically(
  path: string,
  content: string | Uint8Array,
  mode: number,
  moveIn: (beside: string, path: string) => Promise<void>,
): Promise<void> {
  const beside = join(dirname(path), `.${basename(path)}.${randomUUID()}.partial`);
  try {
    const handle = await open(beside, 'w', mode);
    try {
      await handle.writeFile(content);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await moveIn(beside, path);
  } catch (error) {
    await rm(beside, { force: true });
    throw error;
  }
  await syncFolder(dirname(path));
}

/** Makes the names in a folder durable: a rename or a new file is only on the disk once its folder is. */
export async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** True for an error of the operating system with this code, such as `ENOENT`. */
export function isSystemError(error: unknown, ...codes: string[]): error is NodeJS.ErrnoException {
  return error instanceof Error && codes.includes(String((error as NodeJS.ErrnoException).code));
}
