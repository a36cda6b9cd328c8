/** Shaped links on a thread of their own, so that what they do is not in the way of who uses them. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { Peer } from '../protocol/messages.js';
import type { Link } from './link.js';

export interface Links {
  /** As `ShapedLinks.route`. */
  route(peers: readonly Peer[]): Promise<Peer[][]>;
  /** Where rank `from` reaches an endpoint of another rank. */
  open(from: number, to: Pick<Peer, 'rank' | 'endpoint'>): Promise<string>;
  close(): Promise<void>;
}

export type LinksRequest =
  | { readonly type: 'route'; readonly peers: readonly Peer[] }
  | { readonly type: 'open'; readonly from: number; readonly to: Pick<Peer, 'rank' | 'endpoint'> };

/** Requests are answered one after the other. */
export function openLinks(link: Link): Links {
  const thread = new Worker(new URL('./links-thread-main.js', import.meta.url), { workerData: link });
  const ask = async (request: LinksRequest): Promise<unknown> => {
    thread.postMessage(request);
    const [answer] = (await once(thread, 'message')) as [unknown];
    return answer;
  };
  return {
    route: async (peers) => (await ask({ type: 'route', peers })) as Peer[][],
    open: async (from, to) => (await ask({ type: 'open', from, to })) as string,
    close: async () => {
      await thread.terminate();
    },
  };
}
