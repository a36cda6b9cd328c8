/** What is new in a metrics.jsonl that another process appends to, perhaps on another host. */
import { type FileHandle, open } from 'node:fs/promises';
import { isSystemError } from '../../shared/checkpoint/durable.js';
import { LockstepError } from '../../shared/errors.js';
import { type MetricsEvent, parseEvent } from '../metrics.js';

export interface News {
  readonly events: readonly MetricsEvent[];
  /** The run was resumed from an earlier step: all that was read before is void, and `events` begin anew. */
  readonly restarted: boolean;
}

export class MetricsTail {
  /** Which file: a run that is resumed puts another one in its place. */
  #inode: number | undefined;
  /** What has been read: whole lines. */
  #offset = 0;
  #lines = 0;

  constructor(readonly path: string) {}

  /**
   * The events since the call before; none while there is no file.
   * @throws LockstepError RUN_FOLDER for a line that is no event and not the last: that one may still be on its way
   */
  async read(): Promise<News> {
    let handle: FileHandle | undefined;
    try {
      // Opened every time: that is when a shared file system looks whether a file has changed.
      handle = await open(this.path);
      const { ino, size } = await handle.stat();
      const restarted = this.#lines > 0 && (ino !== this.#inode || size < this.#offset);
      if (restarted) this.#offset = this.#lines = 0;
      this.#inode = ino;
      const bytes = Buffer.alloc(size - this.#offset);
      const { bytesRead } = await handle.read(bytes, 0, bytes.length, this.#offset);
      return { events: this.#parse(bytes.subarray(0, bytesRead)), restarted };
    } catch (cause) {
      if (cause instanceof LockstepError) throw cause;
      if (isSystemError(cause, 'ENOENT')) return { events: [], restarted: false };
      throw new LockstepError('RUN_FOLDER', `${this.path} can't be read: ${(cause as Error).message}.`, {
        cause,
      });
    } finally {
      await handle?.close();
    }
  }

  #parse(bytes: Buffer): MetricsEvent[] {
    const events: MetricsEvent[] = [];
    for (let begin = 0; ; ) {
      const end = bytes.indexOf(newline, begin);
      if (end < 0) return events;
      try {
        events.push(parseEvent(bytes.toString('utf8', begin, end), this.path, this.#lines + 1));
      } catch (error) {
        // A shared file system may show a file's new length before its new content.
        if (end === bytes.length - 1) return events;
        throw error;
      }
      this.#offset += end + 1 - begin;
      this.#lines += 1;
      begin = end + 1;
    }
  }
}

const newline = 10;
