/** The all-gather of one step: every rank gets the rows of all micro-batches, in order. */
import { LockstepError } from '../../shared/errors.js';
import { rangeOf } from '../../shared/plan/range.js';
import type { BulkMessage } from '../../shared/transport/inbox.js';
import type { PeerExchange } from '../../shared/transport/peer-exchange.js';
import { floatsOf } from '../../shared/transport/values.js';
import { Deadline } from './deadline.js';

export interface GatherOptions {
  readonly exchange: PeerExchange;
  readonly step: number;
  /** K: how many micro-batches there are rows of. */
  readonly microBatches: number;
  /** How long to wait while nothing comes. Default 60,000 ms. */
  readonly deadlineMs?: number;
}

/** The rows of one name, such as embeddings or labels. */
interface Collection {
  readonly rows: (Float32Array | undefined)[];
  missing: number;
  readonly result: Promise<Float32Array>;
  readonly resolve: (rows: Float32Array) => void;
  readonly reject: (error: Error) => void;
}

export class Gather {
  readonly #exchange: PeerExchange;
  readonly #options: GatherOptions;
  readonly #collections = new Map<string, Collection>();
  readonly #deadline: Deadline;
  readonly #stop: () => void;
  #error: Error | undefined;

  constructor(options: GatherOptions) {
    this.#options = options;
    this.#exchange = options.exchange;
    const { deadlineMs = 60_000 } = options;
    this.#deadline = new Deadline(deadlineMs, () => this.cancel(this.#late(deadlineMs)));
    this.#stop = this.#exchange.listen(options.step, ['embedding'], {
      message: (message) => this.#receive(message),
      failed: (error) => this.cancel(error),
    });
    if (this.#error !== undefined) this.#stop();
  }

  /**
   * Gives the rows of micro-batch k, row-major, and sends them to all. They are copied: the memory is free at once.
   *
   * @throws RangeError when the rows of k are there already
   */
  contribute(name: string, k: number, rows: Float32Array): void {
    if (this.#error !== undefined) return;
    const { step } = this.#options;
    const { rank, worldSize } = this.#exchange;
    // Alone there is nobody to send to, and no memory for it.
    const memory = worldSize > 1 ? this.#exchange.place(rows) : rows.slice();
    this.#put(name, k, memory);
    for (let hop = 1; hop < worldSize; hop += 1) {
      const to = (rank + hop) % worldSize;
      this.#exchange.send(to, { kind: 'embedding', step, bucket: name, node: [k, k + 1], start: 0 }, memory);
    }
  }

  /** The rows of all K micro-batches in order of k, one after the other. The memory is the caller's. */
  result(name: string): Promise<Float32Array> {
    const { result, missing } = this.#collection(name);
    if (this.#error === undefined && missing > 0 && !this.#deadline.waiting) this.#deadline.extend();
    return result;
  }

  /** Gives this rank's rows of micro-batch k and waits for everybody's: for one micro-batch a rank. */
  gather(name: string, k: number, rows: Float32Array): Promise<Float32Array> {
    this.contribute(name, k, rows);
    return this.result(name);
  }

  /** Rejects what is not complete; later calls reject too. */
  cancel(error: Error): void {
    if (this.#error !== undefined) return;
    this.#error = error;
    this.close();
    for (const { reject } of this.#collections.values()) reject(error);
  }

  /** Ends the gather when nothing more is to come. */
  close(): void {
    this.#deadline.stop();
    this.#stop?.();
  }

  #receive({ header, payload }: BulkMessage): void {
    if (this.#deadline.waiting) this.#deadline.extend();
    try {
      const { from } = header;
      const [k] = header.node;
      const { lo, hi } = rangeOf(from, this.#exchange.worldSize, this.#options.microBatches);
      if (k < lo || k >= hi) throw new RangeError(`micro-batch ${k} is not in its range [${lo}, ${hi})`);
      this.#put(String(header.bucket), k, floatsOf(payload));
    } catch (cause) {
      const what = `rows '${header.bucket}' of step ${header.step} from ${this.#exchange.nameOf(header.from)}`;
      this.cancel(
        new LockstepError('PROTOCOL', `The ${what} are wrong: ${(cause as Error).message}.`, {
          hint: 'All workers must have the same configuration.',
          cause,
        }),
      );
    }
  }

  #put(name: string, k: number, rows: Float32Array): void {
    const collection = this.#collection(name);
    if (k < 0 || k >= collection.rows.length) throw new RangeError(`there is no micro-batch ${k}`);
    if (collection.rows[k] !== undefined) throw new RangeError(`micro-batch ${k} came twice`);
    const other = collection.rows.find((value) => value !== undefined);
    if (other !== undefined && other.length !== rows.length) {
      throw new RangeError(`micro-batch ${k} has ${rows.length} values, others ${other.length}`);
    }
    collection.rows[k] = rows;
    collection.missing -= 1;
    if (collection.missing > 0) return;
    const all = new Float32Array(rows.length * collection.rows.length);
    for (const [index, part] of collection.rows.entries()) all.set(part!, index * rows.length);
    collection.resolve(all);
    if ([...this.#collections.values()].every(({ missing }) => missing === 0)) this.#deadline.stop();
  }

  #collection(name: string): Collection {
    const found = this.#collections.get(name);
    if (found !== undefined) return found;
    const { microBatches } = this.#options;
    let resolve: Collection['resolve'] = () => {};
    let reject: Collection['reject'] = () => {};
    const result = new Promise<Float32Array>((yes, no) => {
      resolve = yes;
      reject = no;
    });
    result.catch(() => {});
    if (this.#error !== undefined) reject(this.#error);
    const made = {
      rows: new Array(microBatches).fill(undefined),
      missing: microBatches,
      result,
      resolve,
      reject,
    };
    this.#collections.set(name, made);
    return made;
  }

  #late(deadlineMs: number): LockstepError {
    const { worldSize } = this.#exchange;
    const { microBatches, step } = this.#options;
    const [name, { rows }] = [...this.#collections].find(([, { missing }]) => missing > 0)!;
    const silent: string[] = [];
    for (let peer = 0; peer < worldSize; peer += 1) {
      const { lo, hi } = rangeOf(peer, worldSize, microBatches);
      const owes = rows.slice(lo, hi).filter((part) => part === undefined).length;
      if (owes > 0)
        silent.push(`${this.#exchange.nameOf(peer)} sent ${hi - lo - owes} of ${hi - lo} micro-batches`);
    }
    return new LockstepError(
      'WORKER_LOST',
      `Phase gather, step ${step}, '${name}': ${silent.join(', ')} in ${deadlineMs / 1000} s.`,
    );
  }
}
