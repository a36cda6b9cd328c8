/** The download against real servers on loopback: resume, digest, refusals, broken lines. */
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { create } from 'tar';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { download } from '../src/shared/data/download.js';
import { importDataset } from '../src/shared/data/import.js';
import type { Progress } from '../src/shared/data/progress.js';
import { records, writeBinary } from './data-fixtures.js';

let root: string;
let to: string;
let archive: Buffer;
let md5: string;
let server: Server | undefined;
/** The Range header of each request, or '' without one. */
let ranges: string[];

beforeEach(async () => {
  root = mkdtempSync(path.join(tmpdir(), 'lockstep-download-'));
  to = path.join(root, 'downloads', 'archive.tar.gz');
  const file = path.join(root, 'made.tar.gz');
  await create({ file, cwd: writeBinary(path.join(root, 'source')), gzip: true, portable: true }, [
    'cifar-10-batches-bin',
  ]);
  archive = readFileSync(file);
  md5 = createHash('md5').update(archive).digest('hex');
  ranges = [];
});
afterEach(async () => {
  server?.closeAllConnections();
  await new Promise((closed) => (server === undefined ? closed(undefined) : server.close(closed)));
  server = undefined;
  rmSync(root, { recursive: true, force: true });
});

async function serve(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> {
  server = createServer((request, response) => {
    ranges.push(request.headers.range ?? '');
    answer(request, response);
  });
  await new Promise<void>((listening) => server!.listen(0, '127.0.0.1', listening));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/archive.tar.gz`;
}

/** Answers as a server that knows ranges; with `upTo` (counted in the whole file) it stops there and leaves the line open. */
function send(request: IncomingMessage, response: ServerResponse, upTo = archive.length): void {
  const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
  if (start >= archive.length) {
    response.writeHead(416, { 'content-range': `bytes */${archive.length}` }).end();
    return;
  }
  const headers: Record<string, string> = { 'content-length': String(archive.length - start) };
  if (start > 0) headers['content-range'] = `bytes ${start}-${archive.length - 1}/${archive.length}`;
  response.writeHead(start > 0 ? 206 : 200, headers);
  if (upTo < archive.length) response.write(archive.subarray(start, upTo));
  else response.end(archive.subarray(start));
}

const whole = () => readFileSync(to).equals(archive);

it('brings the archive, says how far it is, and the archive can be imported', async () => {
  const seen: Progress[] = [];
  const url = await serve(send);
  await download({ url, md5, to, onProgress: (progress) => seen.push(progress) });
  expect(whole()).toBe(true);
  expect(seen.at(-1)).toEqual({
    doing: 'downloading',
    done: archive.length,
    total: archive.length,
    unit: 'bytes',
  });
  const dataset = await importDataset(to, { to: path.join(root, 'packed'), recordsPerFile: records });
  expect(dataset.split('train').count).toBe(5 * records);
  await download({ url, md5, to });
  expect(ranges).toEqual(['']);
});

it('goes on where an earlier attempt stopped', async () => {
  const url = await serve((_, response) => response.writeHead(503).end());
  await expect(download({ url, md5, to, attempts: 1 })).rejects.toThrow('503');
  writeFileSync(`${to}.part`, archive.subarray(0, 1000));
  server!.removeAllListeners('request');
  server!.on('request', (request, response) => {
    ranges.push(request.headers.range ?? '');
    send(request, response);
  });
  await download({ url, md5, to });
  expect(ranges).toEqual(['', 'bytes=1000-']);
  expect(whole()).toBe(true);
});

it('goes on by itself when the line breaks', async () => {
  let line: ServerResponse | undefined;
  const cuts = [2000, 2500, 4000];
  const url = await serve((request, response) => {
    line = response;
    send(request, response, cuts[ranges.length - 1]);
  });
  // The line breaks only when what was sent has arrived: else it may count as an attempt that brought nothing.
  const onProgress = ({ done }: Progress) => {
    if (cuts.includes(done)) line?.destroy();
  };
  await download({ url, md5, to, attempts: 1, onProgress });
  expect(ranges).toEqual(['', 'bytes=2000-', 'bytes=2500-', 'bytes=4000-']);
  expect(whole()).toBe(true);
});

it('begins again with a server that knows no ranges', async () => {
  const url = await serve((_, response) => {
    response.writeHead(200).end(archive);
  });
  mkdirSync(path.dirname(to), { recursive: true });
  writeFileSync(`${to}.part`, archive.subarray(0, 1000));
  await download({ url, md5, to });
  expect(ranges).toEqual(['bytes=1000-']);
  expect(whole()).toBe(true);
});

it('takes a part that is complete already', async () => {
  const url = await serve(send);
  mkdirSync(path.dirname(to), { recursive: true });
  writeFileSync(`${to}.part`, archive);
  await download({ url, md5, to });
  expect(whole()).toBe(true);
});

it('keeps nothing of another file', async () => {
  const url = await serve((_, response) => {
    response.end('a page that asks to log in');
  });
  await expect(download({ url, md5, to })).rejects.toThrow(`${url} sent another file: its md5 is`);
  expect(readdirSync(path.dirname(to))).toEqual([]);
});

it('gives up at once when the server refuses, and after some attempts when it is not there', async () => {
  const url = await serve((_, response) => {
    response.writeHead(404).end();
  });
  await expect(download({ url, md5, to })).rejects.toThrow('the server answered 404 Not Found');
  expect(ranges).toHaveLength(1);
  server!.closeAllConnections();
  await new Promise((closed) => server!.close(closed));
  server = undefined;
  await expect(download({ url, md5, to, attempts: 2 })).rejects.toThrow(
    /can't be downloaded: .*ECONNREFUSED/,
  );
  expect(existsSync(to)).toBe(false);
});

it('does not wait for ever for a server that has gone silent', async () => {
  const url = await serve((_, response) => {
    response.writeHead(200, { 'content-length': String(archive.length) });
    response.write(archive.subarray(0, 500));
  });
  await expect(download({ url, md5, to, attempts: 1, stallMs: 100 })).rejects.toThrow(
    'nothing came for 100 ms',
  );
});
