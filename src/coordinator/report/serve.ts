/** `lockstep report --serve`: the report over HTTP on this host, made anew when the metrics have changed. */
import { once } from 'node:events';
import { unwatchFile, watchFile } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { LockstepError } from '../../shared/errors.js';

export interface ServeOptions {
  /** 0 for any that is free. */
  readonly port: number;
  /** Files whose changes make the report another one. */
  readonly files: readonly string[];
  /** The page as it is now. */
  readonly render: () => Promise<string>;
}

export interface ReportServer {
  readonly url: string;
  close(): Promise<void>;
}

/** Polled, since a change on another host's disk notifies nobody. */
const pollMs = 1000;

/** @throws LockstepError USAGE if the port is taken */
export async function serveReport({ port, files, render }: ServeOptions): Promise<ReportServer> {
  const followers = new Set<ServerResponse>();
  let rendered: Promise<string> | undefined;
  let renderMs = 0;
  let notice: NodeJS.Timeout | undefined;
  const changed = () => {
    // Long runs take a second to read: following them must not take the machine from them.
    notice ??= setTimeout(() => {
      notice = undefined;
      rendered = undefined;
      for (const follower of followers) follower.write('data: changed\n\n');
    }, 10 * renderMs);
  };
  const timed = async () => {
    const began = performance.now();
    const page = await render();
    renderMs = performance.now() - began;
    return page;
  };
  const server = createServer((request, response) => {
    // Another site's page could reach this port by a name of its own that points here.
    const host = request.headers.host?.replace(/:\d+$/, '');
    if (host !== '127.0.0.1' && host !== 'localhost') return void response.writeHead(403).end();
    if (request.method !== 'GET') return void response.writeHead(405).end();
    if (request.url === '/changes') {
      response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
      response.write(':\n\n');
      // What has changed while the page was on its way to its reader.
      if (rendered === undefined) response.write('data: changed\n\n');
      followers.add(response);
      response.on('close', () => followers.delete(response));
      return;
    }
    if (request.url !== '/') return void response.writeHead(404).end();
    rendered ??= timed();
    rendered.then(
      (page) =>
        response
          .writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' })
          .end(page),
      (error: Error) => {
        rendered = undefined;
        const text = error instanceof LockstepError ? error.line : String(error);
        response.writeHead(500, { 'content-type': 'text/plain; charset=utf-8' }).end(`${text}\n`);
      },
    );
  });
  server.listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch (cause) {
    throw new LockstepError('USAGE', `Port ${port} can't be listened on: ${(cause as Error).message}.`, {
      cause,
      hint: 'Choose another one with --port.',
    });
  }
  for (const file of files) watchFile(file, { interval: pollMs }, changed);
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close: async () => {
      for (const file of files) unwatchFile(file, changed);
      clearTimeout(notice);
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
