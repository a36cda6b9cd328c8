/** The wall clock finer than Date's millisecond: NTP-like comparisons of hosts need it. */

const ticks = 5;

export class WallClock {
  /** What `performance.now()` lacks to the wall clock. */
  readonly #offset: number;

  /** Takes five milliseconds: it watches Date tick. What delays it makes the clock late, so the earliest tick counts. */
  constructor() {
    let offset = Number.NEGATIVE_INFINITY;
    for (let tick = 0; tick < ticks; tick += 1) {
      const before = Date.now();
      let now = before;
      while (now === before) now = Date.now();
      offset = Math.max(offset, now - performance.now());
    }
    this.#offset = offset;
  }

  /** Milliseconds since 1970. */
  now(): number {
    return this.#offset + performance.now();
  }
}
