/** The memory for what a worker sends in one step: handed out in order, taken back all at once. */

const alignment = 64;

export class Arena {
  #next = 0;

  constructor(readonly buffer: ArrayBuffer) {}

  /** Bytes handed out since the last reset. */
  get used(): number {
    return this.#next;
  }

  /** Memory for `length` floats, on a cache line of its own, or undefined when the arena is full. */
  allocate(length: number): Float32Array | undefined {
    const at = this.#next;
    const end = at + length * Float32Array.BYTES_PER_ELEMENT;
    if (end > this.buffer.byteLength) return undefined;
    this.#next = Math.ceil(end / alignment) * alignment;
    return new Float32Array(this.buffer, at, length);
  }

  /** Takes all memory back; only when nobody reads any of it. */
  reset(): void {
    this.#next = 0;
  }
}
