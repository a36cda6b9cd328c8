/** TCP relays on loopback between every two workers, which let data through as fast as a simulated link would. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import type { Peer } from '../protocol/messages.js';
import { type Link, Switch } from './link.js';

/** What may wait in a relay beside what is under way: as much as keeps the link busy while a timer is late. */
const waitingMs = 50;

export class ShapedLinks {
  readonly #servers: Server[] = [];
  readonly #sockets = new Set<Socket>();
  readonly #wire: Switch;

  constructor(private readonly link: Link) {
    this.#wire = new Switch(link);
  }

  /** What each rank is to be told of its peers, by rank, so that all that travels between them is shaped. */
  async route(peers: readonly Peer[]): Promise<Peer[][]> {
    return await Promise.all(
      peers.map(
        async (self) =>
          await Promise.all(
            peers.map(async (peer) => {
              // No memory is shared over a network.
              if (peer.rank === self.rank) return { ...peer, machine: '' };
              return { ...peer, machine: '', endpoint: await this.open(self.rank, peer) };
            }),
          ),
      ),
    );
  }

  /** Where rank `from` reaches a peer. */
  async open(from: number, { rank: to, endpoint }: Pick<Peer, 'rank' | 'endpoint'>): Promise<string> {
    const target = new URL(endpoint.replace('tcp:', 'http:'));
    const server = createServer((near) => {
      const far = connect(Number(target.port), target.hostname);
      this.#pass(near, far, from, to);
      this.#pass(far, near, to, from);
    });
    this.#servers.push(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  close(): void {
    for (const server of this.#servers) server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #pass(source: Socket, sink: Socket, from: number, to: number): void {
    this.#sockets.add(source);
    source.setNoDelay(true);
    const { bytesPerSecond, delayMs } = this.link;
    const most = Math.max(1 << 16, (bytesPerSecond * (delayMs + waitingMs)) / 1000);
    const queue: { readonly at: number; readonly data: Buffer }[] = [];
    let waiting = 0;
    let timer: NodeJS.Timeout | undefined;
    const deliver = (): void => {
      timer = undefined;
      const now = performance.now();
      while (queue.length > 0 && queue[0]!.at <= now) {
        const { data } = queue.shift()!;
        waiting -= data.length;
        sink.write(data);
      }
      if (waiting < most) source.resume();
      if (queue.length > 0) timer = setTimeout(deliver, Math.max(0, queue[0]!.at - now));
    };
    source.on('data', (data) => {
      const at = this.#wire.pass(from, to, data.length, performance.now());
      queue.push({ at, data });
      waiting += data.length;
      if (waiting >= most) source.pause();
      timer ??= setTimeout(deliver, Math.max(0, at - performance.now()));
    });
    source.on('error', () => {});
    source.on('close', () => {
      this.#sockets.delete(source);
      clearTimeout(timer);
      sink.destroy();
    });
  }
}
