/** A worker that starts before its coordinator: it waits for the join file. */
import { existsSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { LockstepError } from '../errors.js';
import { type Join, readJoinFile } from './join.js';

/** Notifications don't cross shared file systems. */
const lookEveryMs = 200;

/**
 * Reads the join file as soon as it is there. It appears whole.
 * @param log told once, if there is anything to wait for
 * @throws LockstepError USAGE when it is not there in time, or no good
 */
export async function awaitJoinFile(
  path: string,
  limitMs: number,
  log: (message: string) => void,
): Promise<Join> {
  if (!existsSync(path)) log(`waits up to ${limitMs / 1000} s for the coordinator to write ${path}`);
  const deadline = performance.now() + limitMs;
  while (!existsSync(path)) {
    if (performance.now() > deadline) {
      throw new LockstepError('USAGE', `No coordinator has written ${path} within ${limitMs / 1000} s.`, {
        hint: 'What the coordinator printed says why; in a job it is in the file of --output.',
      });
    }
    await pause(lookEveryMs);
  }
  return readJoinFile(path);
}
