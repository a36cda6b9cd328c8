/** JavaScript's views of TensorFlow's memory: a few large ones, in which its allocator's blocks lie. */

/**
 * V8 counts a view as memory outside of its heap until the view is collected, and every 64 MB of new ones start a full
 * collection. With a view for each of ResNet-50's gradients that was one or two in every step, a twentieth of the
 * processor's time; with views kept by address it was still one with two threads, which allocate in another order each
 * time. So memory is viewed by whole windows, allocated or not, of which a process soon has all that it needs.
 */
export const windowBytes = 256 << 20;
/** Windows begin a page off, so that none begins at address 0, where Node refuses a view. */
const firstBegins = 4096n;
/**
 * Smaller blocks have views of their own: they don't add up to that, and TensorFlow has them anywhere. Nor are these kept:
 * then every block of 192 KB lay 128 bytes behind the last, none where an old one had been, and the process grew by 0.5 MB
 * a step. It seems that what V8 notes of a view lies between them, and that glibc then finds too little room.
 */
const smallest = 1 << 20;
/** The most bytes of all views that are kept. V8 (11.3) counts them towards no limit but that of the new ones. */
const most = 4 * 2 ** 30;

/** Where a block lies in a view. */
export interface View {
  readonly memory: ArrayBuffer;
  readonly offset: number;
}

export class MemoryViews {
  readonly #kept = new Map<bigint, ArrayBuffer>();
  #bytes = 0;

  /** @param make a new view of memory that need not be allocated */
  constructor(readonly make: (address: bigint, bytes: number) => ArrayBuffer) {}

  /** A view of so many bytes and others. The caller sees to it that they are allocated as long as they are touched. */
  at(address: bigint, bytes: number): View {
    if (bytes === 0) return { memory: new ArrayBuffer(0), offset: 0 };
    if (bytes < smallest) return this.own(address, bytes);
    const { begin, offset } = windowOf(address);
    // Few blocks lie across a border.
    return offset + bytes > windowBytes
      ? { memory: this.#view(address, bytes), offset: 0 }
      : { memory: this.#view(begin, windowBytes), offset };
  }

  /** A view of nothing else, for memory that is let go of with its last view. */
  own(address: bigint, bytes: number): View {
    return { memory: this.make(address, bytes), offset: 0 };
  }

  /** Makes whoever holds the view of what lies at this address the only ones. */
  forget(address: bigint, memory: ArrayBufferLike): void {
    for (const begin of [address, windowOf(address).begin]) {
      if (this.#kept.get(begin) === memory) this.#forget(begin);
    }
  }

  #view(begin: bigint, bytes: number): ArrayBuffer {
    const kept = this.#kept.get(begin);
    if (kept !== undefined && kept.byteLength >= bytes) return kept;
    this.#forget(begin);
    if (this.#bytes + bytes > most) {
      this.#kept.clear();
      this.#bytes = 0;
    }
    const view = this.make(begin, bytes);
    this.#kept.set(begin, view);
    this.#bytes += bytes;
    return view;
  }

  #forget(begin: bigint): void {
    this.#bytes -= this.#kept.get(begin)?.byteLength ?? 0;
    this.#kept.delete(begin);
  }
}

/** The window in which an address lies, and how far behind its beginning. */
function windowOf(address: bigint): { readonly begin: bigint; readonly offset: number } {
  const offset = (address - firstBegins) % BigInt(windowBytes);
  return { begin: address - offset, offset: Number(offset) };
}
