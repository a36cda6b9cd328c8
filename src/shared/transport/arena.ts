/** The memory for what a worker sends in one step: handed out in order, taken back all at once. */

const alignment = 64;

export class Arena {
  #next = 0;

  constructor(readonly buffer: ArrayBuffer) {}

  /** Bytes handed out since the last reset. */
  get used(): number {
    return this.#next;
  }

  /** Where `bytes` of memory begin, on a cache line of their own, or undefined when the arena is full. */
  allocate(bytes: number): number | undefined {
    const at = this.#next;
    const end = at + bytes;
    if (end > this.buffer.byteLength) return undefined;
    this.#next = Math.ceil(end / alignment) * alignment;
    return at;
  }

  /** Takes all memory back; only when nobody reads any of it. */
  reset(): void {
    this.#next = 0;
  }
}
