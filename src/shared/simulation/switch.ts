/** When what passes simulated links is there, on a clock of its own that never drifts, however late timers are. */
import type { Link } from './link.js';
import { TimeQueue } from './time-queue.js';

interface Chunk {
  readonly to: number;
  /** What it takes at the link's rate, in ms. */
  readonly length: number;
  readonly deliver: () => void;
}

/**
 * Each worker's link serves what it sends in order, and what it receives in the order in which it reaches the link: who is
 * held up by his own link holds up nobody else's. Times are in ms.
 */
export class Switch {
  /** Until when a worker's link is taken. */
  readonly #sending = new Map<number, number>();
  readonly #receiving = new Map<number, number>();
  /** By when its first byte reaches the receiver's link, and by when its last one is through. */
  readonly #travelling = new TimeQueue<Chunk>();
  readonly #arriving = new TimeQueue<Chunk>();

  constructor(private readonly link: Link) {}

  /** A chunk is ready to be sent at `now`; `deliver` is called by the `advance` at whose time its last byte is there. */
  send(from: number, to: number, bytes: number, now: number, deliver: () => void): void {
    const { bytesPerSecond, delayMs } = this.link;
    const length = (bytes / bytesPerSecond) * 1000;
    const leaves = Math.max(now, this.#sending.get(from) ?? 0);
    this.#sending.set(from, leaves + length);
    this.#travelling.put(leaves + delayMs, { to, length, deliver });
  }

  /** Does all that is due at `now`. @returns when something is due next, if anything is under way */
  advance(now: number): number | undefined {
    for (let next = this.#travelling.take(now); next !== undefined; next = this.#travelling.take(now)) {
      const { to, length } = next.value;
      const through = Math.max(next.at, this.#receiving.get(to) ?? 0) + length;
      this.#receiving.set(to, through);
      this.#arriving.put(through, next.value);
    }
    for (let next = this.#arriving.take(now); next !== undefined; next = this.#arriving.take(now)) {
      next.value.deliver();
    }
    const [one, other] = [this.#travelling.next, this.#arriving.next];
    return one === undefined || other === undefined ? (one ?? other) : Math.min(one, other);
  }
}
