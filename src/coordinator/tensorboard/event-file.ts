/** An event file in TensorBoard's naming. TensorBoard reads the files of a folder in the order of their names. */
import { mkdirSync, readdirSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { AppendFile } from '../append-file.js';
import { fileVersion } from './event.js';
import { record } from './record.js';

export class EventFile {
  readonly #file: AppendFile;

  private constructor(path: string) {
    this.#file = new AppendFile(path);
  }

  /**
   * Begins a file in `folder`, to be read after all that are there.
   * @param wallTime seconds since 1970
   * @throws when the folder can't be made, or the file
   */
  static begin(folder: string, wallTime: number): EventFile {
    mkdirSync(folder, { recursive: true });
    // A run that goes on in the same second, or on a host whose clock is behind, must still come later.
    const second = Math.max(Math.floor(wallTime), ...eventFiles(folder).map((name) => secondOf(name) + 1));
    const name = `${prefix}${String(second).padStart(10, '0')}.${hostname()}.${process.pid}.0`;
    const file = new EventFile(join(folder, name));
    file.append(fileVersion(wallTime));
    return file;
  }

  append(event: Uint8Array): void {
    this.#file.append(record(event));
  }

  close(): void {
    this.#file.close();
  }
}

const prefix = 'events.out.tfevents.';

/** The names of a folder's event files; none when there is no folder. */
export function eventFiles(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => name.startsWith(prefix));
  } catch {
    return [];
  }
}

function secondOf(name: string): number {
  return Number.parseInt(name.slice(prefix.length), 10) || 0;
}
