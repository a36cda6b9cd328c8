/** The thread of `links-thread.ts`. */
import { parentPort, workerData } from 'node:worker_threads';
import { linkSchema } from './link.js';
import type { LinksRequest } from './links-thread.js';
import { ShapedLinks } from './shaped-links.js';

const links = new ShapedLinks(linkSchema.parse(workerData));

parentPort!.on('message', async (request: LinksRequest) => {
  parentPort!.postMessage(
    request.type === 'route' ? await links.route(request.peers) : await links.open(request.from, request.to),
  );
});
