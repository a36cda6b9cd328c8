/** Decides who may connect to a socket: those that have the run's token. All others get no message through. */
import { timingSafeEqual } from 'node:crypto';
import { Context, type Pull, Reply, type Router } from 'zeromq';
import type { KeyPair } from './join.js';
import { type Protection, serverOptions } from './socket-options.js';
import { encodeZ85 } from './z85.js';

/** Where libzmq asks about every handshake (ZAP, ZeroMQ RFC 27): one place a context. */
const zapEndpoint = 'inproc://zeromq.zap.01';

/** What libzmq asks: RFC 27. */
interface Question {
  readonly mechanism: string;
  readonly credentials: readonly Buffer[];
}

export class Gate {
  readonly #context = new Context();
  readonly #handler = new Reply({ context: this.#context, linger: 0 });
  #refused = 0;

  private constructor(
    private readonly protection: Protection,
    private readonly log: (message: string) => void,
  ) {}

  /** Opens before the socket listens that it is for. */
  static async open(protection: Protection, log: (message: string) => void): Promise<Gate> {
    const gate = new Gate(protection, log);
    await gate.#handler.bind(zapEndpoint);
    void gate.#answer();
    return gate;
  }

  /**
   * With which a socket has this gate.
   * @param key what the socket proves to have, where links are encrypted
   */
  socketOptions(key: KeyPair) {
    return { context: this.#context, ...serverOptions(this.protection, key) };
  }

  /** Connections that were turned away: no token, or no ZeroMQ at all. */
  get refused(): number {
    return this.#refused;
  }

  /** Counts who is turned away at the socket, and logs the first. */
  watch(socket: Pull | Router): void {
    const turnedAway = (why: string) => {
      this.#refused += 1;
      if (this.#refused === 1) {
        this.log(`A connection was refused: ${why}. More of them are only counted.`);
      }
    };
    socket.events.on('handshake:error:auth', () => turnedAway("it does not have this run's token"));
    socket.events.on('handshake:error:protocol', () => turnedAway("it does not speak this run's protocol"));
    socket.events.on('handshake:error:other', ({ error }) => turnedAway(error.message));
  }

  close(): void {
    this.#handler.close();
    if (this.#refused > 1) this.log(`${this.#refused} connections were refused in all.`);
  }

  async #answer(): Promise<void> {
    for await (const [version, id, , , , mechanism, ...credentials] of this.#handler) {
      const admitted = admits(this.protection, { mechanism: String(mechanism), credentials });
      const [code, text] = admitted ? ['200', 'OK'] : ['400', 'not of this run'];
      await this.#handler.send([version ?? '', id ?? '', code, text, '', '']);
    }
  }
}

/** Whether the credentials are those that the token gives. */
export function admits({ encrypted, token }: Protection, { mechanism, credentials }: Question): boolean {
  if (encrypted) {
    // The handshake has proven that the client has the secret half.
    const [publicKey] = credentials;
    return mechanism === 'CURVE' && publicKey?.length === 32 && same(encodeZ85(publicKey), token.publicKey);
  }
  const [username = '', password = ''] = credentials;
  return (
    mechanism === 'PLAIN' &&
    same(String(username), token.publicKey) &&
    same(String(password), token.secretKey)
  );
}

/** Takes as long for a guess that is nearly right as for any other. */
function same(given: string, expected: string): boolean {
  const [one, other] = [Buffer.from(given), Buffer.from(expected)];
  return one.length === other.length && timingSafeEqual(one, other);
}
