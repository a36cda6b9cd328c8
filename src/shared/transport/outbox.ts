/** A queue before a ZeroMQ socket, which takes one send at a time. */
import { LockstepError } from '../errors.js';

/** A message's frames, or one for each: whatever the socket's `send` takes. */
export type Frames = readonly Uint8Array[];

/** What an outbox needs of a socket. */
export interface Sending {
  send(frames: Uint8Array[]): Promise<void>;
  close(): void;
}

interface Waiting {
  readonly frames: Frames;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export class Outbox {
  readonly #queue: Waiting[] = [];
  #running = false;
  #closed = false;
  #drained: (() => void) | undefined;

  constructor(
    readonly socket: Sending,
    /** For error messages: to whom this goes. */
    readonly name: string,
  ) {}

  /** Messages that the socket has not taken yet. */
  get length(): number {
    return this.#queue.length;
  }

  /**
   * Resolves when the socket has taken the message, in order of the calls. The frames' memory belongs to the socket
   * from then on: it may still be read long after.
   *
   * @throws LockstepError TRANSPORT when the outbox is closed or the socket fails
   */
  send(frames: Frames): Promise<void> {
    if (this.#closed) return Promise.reject(this.#failure());
    return new Promise((resolve, reject) => {
      this.#queue.push({ frames, resolve, reject });
      if (!this.#running) void this.#run();
    });
  }

  /** Gives the queue up to `drainMs` to empty, fails what is left, and closes the socket. */
  async close(drainMs = 0): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#running && drainMs > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, drainMs);
        this.#drained = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    const left = this.#queue.splice(0);
    this.socket.close();
    for (const waiting of left) waiting.reject(this.#failure());
  }

  async #run(): Promise<void> {
    this.#running = true;
    for (let next = this.#queue[0]; next !== undefined; next = this.#queue[0]) {
      try {
        await this.socket.send([...next.frames]);
        next.resolve();
      } catch (cause) {
        next.reject(this.#failure(cause));
      }
      if (this.#queue[0] === next) this.#queue.shift();
    }
    this.#running = false;
    this.#drained?.();
  }

  #failure(cause?: unknown): LockstepError {
    const reason = cause === undefined ? 'the connection is closed' : String((cause as Error).message);
    return new LockstepError('TRANSPORT', `Nothing can be sent to ${this.name}: ${reason}.`, { cause });
  }
}
