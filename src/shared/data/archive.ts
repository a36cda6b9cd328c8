/** Reads the files of a folder or of a .tar, .tar.gz or .tar.xz archive one after another, without unpacking to disk. */
import { createReadStream } from 'node:fs';
import { open, readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { Parser } from 'tar';
import xz from 'xz-decompress';
import { LockstepError } from '../errors.js';

/** One file of a source. */
export interface Entry {
  /** Path inside the source, with `/`, without a leading `./`. */
  readonly path: string;
  readonly bytes: Uint8Array;
  /** How to name it in a message: the path on disk, or `archive.tar.xz: entry`. */
  readonly where: string;
}

export interface ReadOptions {
  /** Entries whose path it refuses are skipped, unread in a folder. */
  readonly wanted: (path: string) => boolean;
  /** Called with the bytes read of an archive, or the files read of a folder, and the total. */
  readonly onRead?: (done: number, total: number) => void;
}

/**
 * The wanted files of `source`: of a folder in the order of their paths, of an archive as they come.
 *
 * @throws LockstepError DATA when the source is missing, truncated or corrupt; names the file and the offset near which
 */
export async function* readEntries(source: string, options: ReadOptions): AsyncGenerator<Entry> {
  const info = await stat(source).catch((cause: unknown) => {
    throw new LockstepError('DATA', `${source} can't be opened.`, { hint: 'Is the path right?', cause });
  });
  if (info.isDirectory()) yield* folderEntries(source, options);
  else yield* archiveEntries(source, info.size, options);
}

async function* folderEntries(folder: string, { wanted, onRead }: ReadOptions): AsyncGenerator<Entry> {
  const names: string[] = [];
  for (const found of await readdir(folder, { withFileTypes: true, recursive: true })) {
    if (found.isDirectory()) continue;
    const name = path.relative(folder, path.join(found.parentPath, found.name)).split(path.sep).join('/');
    if (wanted(name)) names.push(name);
  }
  names.sort();
  for (const [i, name] of names.entries()) {
    const where = path.join(folder, name);
    const bytes = await readFile(where).catch((cause: unknown) => {
      throw new LockstepError('DATA', `${where} can't be read.`, { cause });
    });
    yield { path: name, bytes, where };
    onRead?.(i + 1, names.length);
  }
}

async function* archiveEntries(
  archive: string,
  size: number,
  { wanted, onRead }: ReadOptions,
): AsyncGenerator<Entry> {
  let offset = 0;
  let last = '';
  let failure: unknown;
  const ready: Entry[] = [];
  const parser = new Parser({
    strict: true,
    brotli: false,
    zstd: false,
    filter: (name) => wanted(plainPath(name)),
    onReadEntry: (entry) => {
      const pieces: Buffer[] = [];
      entry.on('data', (piece) => pieces.push(piece));
      entry.on('end', () => {
        if (entry.type !== 'File' && entry.type !== 'OldFile') return;
        last = plainPath(entry.path);
        ready.push({ path: last, bytes: Buffer.concat(pieces), where: `${archive}: ${last}` });
      });
    },
  });
  parser.on('error', (error) => {
    failure ??= error;
  });
  const broken = (cause: unknown) => {
    if (cause instanceof LockstepError) return cause;
    const behind = last === '' ? '' : `, after entry ${last}`;
    return new LockstepError(
      'DATA',
      `${archive} is truncated or corrupt near byte ${offset} of ${size}${behind}: ${reason(cause)}.`,
      { hint: 'Get the archive again.', cause },
    );
  };

  const count = (bytes: number) => {
    offset += bytes;
    onRead?.(offset, size);
  };
  const unpacked = (await decompressed(archive, count))[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await unpacked.next().catch((cause: unknown) => {
        throw broken(cause);
      });
      if (next.done === true) parser.end();
      else parser.write(Buffer.from(next.value));
      if (failure !== undefined) throw broken(failure);
      yield* ready.splice(0);
      if (next.done === true) return;
    }
  } finally {
    await unpacked.return?.();
  }
}

async function decompressed(
  archive: string,
  onBytes: (bytes: number) => void,
): Promise<AsyncIterable<Uint8Array>> {
  const head = Buffer.alloc(6);
  const handle = await open(archive);
  await handle.read(head, 0, 6, 0).finally(() => handle.close());
  const raw = Readable.from(counted(createReadStream(archive, { highWaterMark: 1 << 18 }), onBytes));
  if (head.subarray(0, 2).equals(Buffer.of(0x1f, 0x8b))) {
    const gunzip = createGunzip();
    raw.on('error', (error) => gunzip.destroy(error));
    gunzip.on('close', () => raw.destroy());
    return raw.pipe(gunzip);
  }
  if (head.equals(Buffer.of(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00))) {
    const web = Readable.toWeb(raw) as unknown as ConstructorParameters<typeof xz.XzReadableStream>[0];
    return new xz.XzReadableStream(web) as unknown as AsyncIterable<Uint8Array>;
  }
  return raw;
}

async function* counted(
  file: AsyncIterable<Buffer>,
  onBytes: (bytes: number) => void,
): AsyncGenerator<Buffer> {
  for await (const chunk of file) {
    onBytes(chunk.length);
    yield chunk;
  }
}

function plainPath(name: string): string {
  return name.replace(/^(\.?\/)+/, '');
}

/** xz-decompress reports the codes of XZ Embedded (xz.h, `enum xz_ret`). */
const xzReasons: Record<string, string> = {
  '5': 'not an .xz file',
  '6': 'unsupported .xz options',
  '7': 'checksum or data error',
  '8': 'the file ends too early',
};

function reason(cause: unknown): string {
  const text = cause instanceof Error ? cause.message : String(cause);
  const code = /error code (\d+)/.exec(text)?.[1];
  return (code !== undefined && xzReasons[code]) || text.replace(/^TAR_[A-Z_]+: /, '');
}
