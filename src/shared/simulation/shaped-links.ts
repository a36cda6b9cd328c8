/** TCP relays on loopback between every two workers, which let data through as fast as a simulated link would. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import type { Peer } from '../protocol/messages.js';
import type { Link } from './link.js';
import { Switch } from './switch.js';

/** What may wait in a relay beside what is under way: as much as keeps the link busy while a timer is late. */
const waitingMs = 50;

export class ShapedLinks {
  readonly #servers: Server[] = [];
  readonly #sockets = new Set<Socket>();
  readonly #wire: Switch;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

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
    clearTimeout(this.#timer);
    this.#closed = true;
    for (const server of this.#servers) server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #pass(source: Socket, sink: Socket, from: number, to: number): void {
    this.#sockets.add(source);
    source.setNoDelay(true);
    const { bytesPerSecond, delayMs } = this.link;
    const most = Math.max(1 << 16, (bytesPerSecond * (delayMs + waitingMs)) / 1000);
    let waiting = 0;
    source.on('data', (data) => {
      waiting += data.length;
      if (waiting >= most) source.pause();
      this.#wire.send(from, to, data.length, performance.now(), () => {
        waiting -= data.length;
        sink.write(data);
        if (waiting < most) source.resume();
      });
      this.#advance();
    });
    source.on('error', () => {});
    source.on('close', () => {
      this.#sockets.delete(source);
      sink.destroy();
    });
  }

  /** Delivers what is due, and comes back when something else is. */
  readonly #advance = (): void => {
    clearTimeout(this.#timer);
    const next = this.#wire.advance(performance.now());
    if (next === undefined || this.#closed) return;
    this.#timer = setTimeout(this.#advance, Math.max(0, next - performance.now()));
  };
}
