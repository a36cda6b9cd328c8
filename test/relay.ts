/** A TCP relay on loopback whose link a test can slow down and cut. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export class Relay {
  /** What every piece of data waits for, in each direction. */
  delayMs = 0;
  readonly #sockets = new Set<Socket>();

  private constructor(
    private readonly server: Server,
    target: URL,
  ) {
    server.on('connection', (near) => {
      const far = connect(Number(target.port), target.hostname);
      this.#join(near, far);
      this.#join(far, near);
    });
  }

  /** @param endpoint what it leads to, such as tcp://127.0.0.1:5555 */
  static async open(endpoint: string): Promise<Relay> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new Relay(server, new URL(endpoint.replace('tcp:', 'http:')));
  }

  get endpoint(): string {
    return `tcp://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** Breaks all connections. New ones are let through. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  close(): void {
    this.server.close();
    this.cut();
  }

  #join(from: Socket, to: Socket): void {
    this.#sockets.add(from);
    // One after the other, whatever the delay was when each came: nothing may overtake.
    let last = Promise.resolve();
    let waiting = 0;
    from.on('data', (data) => {
      if (this.delayMs === 0 && waiting === 0) {
        to.write(data);
        return;
      }
      waiting += 1;
      last = Promise.all([last, sleep(this.delayMs)]).then(() => {
        waiting -= 1;
        to.write(data);
      });
    });
    from.on('error', () => {});
    from.on('close', () => {
      this.#sockets.delete(from);
      to.destroy();
    });
  }
}
