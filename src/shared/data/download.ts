/** Downloads the official CIFAR-10 archive: resumed where an earlier attempt stopped, and checked by its digest. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { LockstepError } from '../errors.js';
import type { OnProgress } from './progress.js';

/** The binary version on the home page of the data set, with the md5 that stands there. */
export const official = {
  url: 'https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz',
  md5: 'c32a1d4ab5d03f1284b67883e8d87530',
} as const;

export interface DownloadOptions {
  readonly url: string;
  /** Hex; what a complete file must have. */
  readonly md5: string;
  /** Where the file will be; while it is incomplete it is called `<to>.part`. */
  readonly to: string;
  readonly onProgress?: OnProgress;
  /** Attempts in all when the connection breaks; each goes on where the last one stopped. Default 5. */
  readonly attempts?: number;
  /** A connection that brings nothing for so long is broken. Default 30,000. */
  readonly stallMs?: number;
}

/**
 * Downloads `url` to `to`; at once when a complete file is there already.
 *
 * @throws LockstepError DATA when the server can't be reached, refuses, or sends another file
 */
export async function download(options: DownloadOptions): Promise<void> {
  const { url, md5, to } = options;
  const hint = `Or get the file another way and run: lockstep data import ${path.basename(to)}`;
  const part = `${to}.part`;
  await mkdir(path.dirname(to), { recursive: true });
  if ((await md5Of(to)) === md5) return;
  const attempts = options.attempts ?? 5;
  for (let attempt = 1; ; attempt++) {
    const before = await sizeOf(part);
    try {
      await fetchRest(options, part);
      break;
    } catch (cause) {
      if (cause instanceof LockstepError) throw cause;
      // An attempt that brought something does not count: a slow line is allowed to break often.
      if ((await sizeOf(part)) > before) attempt = 0;
      if (attempt >= attempts) {
        throw new LockstepError('DATA', `${url} can't be downloaded: ${reason(cause)}.`, { hint, cause });
      }
    }
  }
  const found = await md5Of(part);
  if (found !== md5) {
    await rm(part, { force: true });
    throw new LockstepError('DATA', `${url} sent another file: its md5 is ${found}, not ${md5}.`, { hint });
  }
  await rename(part, to);
}

async function fetchRest(
  { url, onProgress, stallMs = 30_000 }: DownloadOptions,
  part: string,
): Promise<void> {
  const have = await sizeOf(part);
  const stalled = new AbortController();
  const watch = () => setTimeout(() => stalled.abort(new Error(`nothing came for ${stallMs} ms`)), stallMs);
  let timer = watch();
  try {
    const response = await fetch(url, {
      headers: have > 0 ? { range: `bytes=${have}-` } : {},
      signal: stalled.signal,
    });
    // The part is as long as the file or longer: the digest tells which.
    if (response.status === 416 && have > 0) return await response.body?.cancel();
    if (!response.ok || response.body === null) {
      await response.body?.cancel();
      const text = `${response.status} ${response.statusText}`.trim();
      if (response.status >= 500 || response.status === 429) throw new Error(`the server answered ${text}`);
      throw new LockstepError('DATA', `${url} can't be downloaded: the server answered ${text}.`, {
        hint: 'Give another address with --url URL.',
      });
    }
    // A server that knows no ranges sends all of it again.
    const start = response.status === 206 ? rangeStart(response) : 0;
    if (start !== have && start !== 0)
      throw new Error(`the server sent bytes from ${start}, not from ${have}`);
    const length = Number(response.headers.get('content-length') ?? Number.NaN);
    const total = Number.isNaN(length) ? undefined : start + length;
    const file = await open(part, start === 0 ? 'w' : 'a');
    try {
      let done = start;
      for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
        clearTimeout(timer);
        timer = watch();
        await file.writeFile(chunk);
        done += chunk.length;
        onProgress?.({
          doing: 'downloading',
          done,
          ...(total === undefined ? {} : { total }),
          unit: 'bytes',
        });
      }
      if (total !== undefined && done < total)
        throw new Error(`the connection ended at byte ${done} of ${total}`);
    } finally {
      await file.close();
    }
  } finally {
    clearTimeout(timer);
  }
}

function rangeStart(response: Response): number {
  const [, start] = /^bytes (\d+)-/.exec(response.headers.get('content-range') ?? '') ?? [];
  return Number(start);
}

async function sizeOf(file: string): Promise<number> {
  return await stat(file).then(
    (info) => info.size,
    () => 0,
  );
}

async function md5Of(file: string): Promise<string | undefined> {
  if ((await sizeOf(file)) === 0) return undefined;
  const hash = createHash('md5');
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/** fetch hides what went wrong in `cause`. */
function reason(error: unknown): string {
  const { cause } = error as { cause?: unknown };
  if (cause instanceof Error) return cause.message || String((cause as NodeJS.ErrnoException).code);
  return error instanceof Error ? error.message : String(error);
}
