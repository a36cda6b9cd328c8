/**
 * A file that only grows. What is appended is in the kernel's hands when `append` returns, so a process that dies loses
 * nothing, and on the disk when `sync` does; while the disk is full it waits, and goes with what is appended later.
 */
import { closeSync, fdatasync, openSync, writeSync } from 'node:fs';
import { promisify } from 'node:util';
import { isSystemError } from '../shared/checkpoint/durable.js';
import { LockstepError } from '../shared/errors.js';

export class AppendFile {
  private readonly descriptor: number;
  /** What the disk had no room for. */
  #waiting = Buffer.alloc(0);

  /** @throws LockstepError RUN_FOLDER */
  constructor(readonly path: string) {
    this.descriptor = orThrow(path, () => openSync(path, 'a'));
  }

  /** @throws LockstepError RUN_FOLDER, for other reasons than a full disk */
  append(bytes: Uint8Array): void {
    this.#waiting = Buffer.concat([this.#waiting, bytes]);
    orThrow(this.path, () => {
      try {
        this.#write();
      } catch (error) {
        if (!isSystemError(error, 'ENOSPC', 'EDQUOT')) throw error;
      }
    });
  }

  /** All that was appended is on the disk when this resolves. @throws LockstepError RUN_FOLDER, also when there is no room */
  async sync(): Promise<void> {
    orThrow(this.path, () => this.#write());
    await promisify(fdatasync)(this.descriptor).catch((cause: Error) => {
      throw unwritable(this.path, cause);
    });
  }

  /** @throws LockstepError RUN_FOLDER when something still waits for room */
  close(): void {
    try {
      orThrow(this.path, () => this.#write());
    } finally {
      closeSync(this.descriptor);
    }
  }

  #write(): void {
    while (this.#waiting.length > 0) {
      this.#waiting = this.#waiting.subarray(writeSync(this.descriptor, this.#waiting));
    }
  }
}

function orThrow<T>(path: string, write: () => T): T {
  try {
    return write();
  } catch (cause) {
    throw unwritable(path, cause as Error);
  }
}

function unwritable(path: string, cause: Error): LockstepError {
  const full = isSystemError(cause, 'ENOSPC', 'EDQUOT');
  return new LockstepError(
    'RUN_FOLDER',
    full ? `No space left for ${path}.` : `${path} can't be written: ${cause.message}.`,
    full ? { cause, hint: 'Free some space and start again with --resume.' } : { cause },
  );
}
