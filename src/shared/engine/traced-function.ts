/** A traced piece of tfjs code: inputs in, outputs out, and ports that are served while it runs. */
import { LockstepError } from '../errors.js';
import { tfType } from './dtype.js';
import { HostTensor } from './host-tensor.js';
import type { PreparedRun, Session } from './session.js';
import type { PortDeclaration, Recording } from './trace.js';

/** Inputs by name: a host tensor (stays the caller's) or values that are copied for this run. */
export type Feeds = Readonly<Record<string, HostTensor | ArrayLike<number>>>;

export class TracedFunction {
  readonly #run: PreparedRun;
  readonly #ports = new Map<string, PreparedRun>();

  constructor(
    readonly name: string,
    session: Session,
    private readonly recording: Recording,
    beside: boolean,
  ) {
    this.#run = session.prepare({
      inputs: [...recording.inputs.values()],
      outputs: [...recording.outputs.values()],
      targets: recording.effects,
      beside,
    });
    for (const [port, declaration] of recording.ports) this.#ports.set(port, servePort(session, declaration));
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

  /** Waits until a run sends at `port`; the value is the caller's to free. */
  async take(port: string): Promise<HostTensor> {
    const [value] = await this.#port(port)([]);
    return value!;
  }

  /** Gives `value` to the run that waits, or will wait, at `port`. It is copied. */
  async put(port: string, value: ArrayLike<number>): Promise<void> {
    const { dtype, shape } = this.recording.ports.get(port)!;
    const feed = HostTensor.from(dtype, shape, value);
    try {
      await this.#port(port)([feed]);
    } finally {
      feed.free();
    }
  }

  #port(name: string): PreparedRun {
    const port = this.#ports.get(name);
    if (port === undefined) throw new LockstepError('ENGINE', `'${this.name}' has no port '${name}'.`);
    return port;
  }
}

function dtypeOf(type: number) {
  return type === tfType.int32 ? 'int32' : type === tfType.uint8 ? 'uint8' : 'float32';
}

/** The small run beside the main one that serves a port: dequeue for what comes out, enqueue for what goes in. */
function servePort(session: Session, { direction, queue, dtype, shape }: PortDeclaration): PreparedRun {
  const { graph } = session;
  const onHost = { device: '/device:CPU:0' };
  const type = tfType[dtype as 'float32'];
  if (direction === 'out') {
    const dequeue = graph.add(
      'QueueDequeueV2',
      [queue],
      { component_types: { kind: 'types', value: [type] } },
      onHost,
    );
    return session.prepare({ inputs: [], outputs: dequeue.outputs, targets: [], beside: true });
  }
  const placeholder = graph.add('Placeholder', [], {
    dtype: { kind: 'type', value: type },
    shape: { kind: 'shape', value: shape },
  }).outputs[0]!;
  const enqueue = graph.add(
    'QueueEnqueueV2',
    [queue, placeholder],
    { Tcomponents: { kind: 'types', value: [type] } },
    onHost,
  );
  return session.prepare({ inputs: [placeholder], outputs: [], targets: [enqueue], beside: true });
}
