/** JavaScript's views of TensorFlow's memory, kept by address: its allocator hands out the same blocks again and again. */

/**
 * V8 counts a view as memory outside of its heap until the view is collected, and every 64 MB of new ones start a full
 * collection: with new views, one or two in every step of ResNet-50, a twentieth of the processor's time. Smaller ones
 * than this don't add up to that. Nor may they be kept: then every block of 192 KB lay 128 bytes behind the last, none
 * where an old one had been, and the process grew by 0.5 MB a step. It seems that what V8 notes of a view lies between
 * them, and that glibc then finds too little room.
 */
const smallest = 1 << 20;
/** The most bytes of all views that are kept: what V8 counts must stay far below its heap's own limit. */
const most = 1 << 30;

export class MemoryViews {
  readonly #kept = new Map<bigint, ArrayBuffer>();
  #bytes = 0;

  /** @param make a new view */
  constructor(readonly make: (address: bigint, bytes: number) => ArrayBuffer) {}

  /** A view of at least so many bytes. The caller sees to it that they are allocated as long as they are touched. */
  at(address: bigint, bytes: number): ArrayBuffer {
    if (bytes === 0) return new ArrayBuffer(0);
    if (bytes < smallest) return this.make(address, bytes);
    const kept = this.#kept.get(address);
    if (kept !== undefined && kept.byteLength >= bytes) return kept;
    this.forget(address);
    if (this.#bytes + bytes > most) {
      this.#kept.clear();
      this.#bytes = 0;
    }
    const view = this.make(address, bytes);
    this.#kept.set(address, view);
    this.#bytes += bytes;
    return view;
  }

  /** Makes whoever holds the view at this address the only one. */
  forget(address: bigint): void {
    this.#bytes -= this.#kept.get(address)?.byteLength ?? 0;
    this.#kept.delete(address);
  }
}
