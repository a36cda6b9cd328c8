/** A folder for what several runs come to: a new one, or one that is empty. */
import { mkdir, readdir } from 'node:fs/promises';
import { LockstepError } from '../shared/errors.js';

/** @param hint what to do when something is in it. @throws LockstepError RUN_FOLDER */
export async function makeEmptyFolder(
  folder: string,
  hint = 'Choose an empty folder with --out.',
): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
    const [first] = await readdir(folder);
    if (first === undefined) return;
    throw new LockstepError('RUN_FOLDER', `${folder} is not empty: it holds ${first}.`, {
      hint,
    });
  } catch (cause) {
    if (cause instanceof LockstepError) throw cause;
    throw new LockstepError('RUN_FOLDER', `${folder} can't be made: ${(cause as Error).message}.`, { cause });
  }
}
