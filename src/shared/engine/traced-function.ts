/** A traced piece of tfjs code: inputs in, outputs out. What it exchanges while it runs goes through streams. */
import { LockstepError } from '../errors.js';
import { tfType } from './dtype.js';
import { HostTensor } from './host-tensor.js';
import type { PreparedRun, Runner } from './prepared-run.js';
import type { Recording } from './trace.js';

/** Inputs by name: a host tensor (stays the caller's) or values that are copied for this run. */
export type Feeds = Readonly<Record<string, HostTensor | ArrayLike<number>>>;

export class TracedFunction {
  readonly #run: PreparedRun;

  constructor(
    readonly name: string,
    session: Runner,
    private readonly recording: Recording,
    beside: boolean,
  ) {
    this.#run = session.prepare({
      inputs: [...recording.inputs.values()],
      outputs: [...recording.outputs.values()],
      targets: recording.effects,
      beside,
    });
  }

  /**
   * Runs once.
   * @returns the outputs by name, the caller's to free.
   * @throws LockstepError ENGINE when an input is missing or unknown, or TensorFlow fails.
   */
  async run(feeds: Feeds = {}): Promise<Record<string, HostTensor>> {
    const { inputs, outputs } = this.recording;
    const unknown = Object.keys(feeds).find((name) => !inputs.has(name));
    if (unknown !== undefined) throw new LockstepError('ENGINE', `'${this.name}' has no input '${unknown}'.`);
    const copies: HostTensor[] = [];
    try {
      const values = [...inputs].map(([name, { type, shape }]) => {
        const feed = feeds[name];
        if (feed === undefined)
          throw new LockstepError('ENGINE', `'${this.name}' was run without input '${name}'.`);
        if (feed instanceof HostTensor) return feed;
        const copy = HostTensor.from(dtypeOf(type), shape, feed);
        copies.push(copy);
        return copy;
      });
      const results = await this.#run(values);
      return Object.fromEntries([...outputs.keys()].map((name, i) => [name, results[i]!]));
    } finally {
      for (const copy of copies) copy.free();
    }
  }
}

function dtypeOf(type: number) {
  return type === tfType.int32 ? 'int32' : type === tfType.uint8 ? 'uint8' : 'float32';
}
