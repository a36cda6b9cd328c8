/** Things to come, the earliest first; equally early ones in the order in which they were put. */

interface Entry<T> {
  readonly at: number;
  readonly order: number;
  readonly value: T;
}

/** A binary heap. */
export class TimeQueue<T> {
  readonly #heap: Entry<T>[] = [];
  #order = 0;

  /** When the earliest is due. */
  get next(): number | undefined {
    return this.#heap[0]?.at;
  }

  put(at: number, value: T): void {
    const heap = this.#heap;
    const entry = { at, order: this.#order, value };
    this.#order += 1;
    let place = heap.length;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (!earlier(entry, heap[parent]!)) break;
      heap[place] = heap[parent]!;
      place = parent;
    }
    heap[place] = entry;
  }

  /** The earliest, if it is due at `now`. */
  take(now: number): { readonly at: number; readonly value: T } | undefined {
    const heap = this.#heap;
    const first = heap[0];
    if (first === undefined || first.at > now) return undefined;
    const last = heap.pop()!;
    if (heap.length === 0) return first;
    let place = 0;
    for (;;) {
      let child = 2 * place + 1;
      if (child + 1 < heap.length && earlier(heap[child + 1]!, heap[child]!)) child += 1;
      if (child >= heap.length || !earlier(heap[child]!, last)) break;
      heap[place] = heap[child]!;
      place = child;
    }
    heap[place] = last;
    return first;
  }
}

function earlier<T>(one: Entry<T>, other: Entry<T>): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order);
}
