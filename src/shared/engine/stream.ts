/**
 * Queues through which runs exchange values with the host while they go on. One for many values, with marks: every
 * queue's run is a signature of its own, for which TensorFlow copies the whole graph.
 */
import { bytesPerElement, tfType } from './dtype.js';
import type { GraphOutput } from './graph.js';
import { HostTensor } from './host-tensor.js';
import type { PreparedRun, Runner } from './prepared-run.js';

const onHost = { device: '/device:CPU:0' };

/** A value that a run sent, with the marks that its trace gave it. */
export interface Sent {
  /** Which run it comes from. */
  readonly from: number;
  /** What it is. */
  readonly what: number;
  /** Float32 of any shape, or bfloat16 where mixed precision computed it so; whoever takes it frees it. */
  readonly value: HostTensor;
}

/** Values that any number of runs send, in the order in which they are ready: one who takes serves them all. */
export class OutStream {
  /** Of int32 [2], the marks, and float32 of any shape, or its bytes [...,4]. */
  readonly queue: GraphOutput;
  /**
   * Whether values are sent as their bytes: what mixed precision computed in bfloat16 then has two of them an element, and
   * need not be cast. With ResNet-50's gradients that is half of the traffic, for the same values.
   */
  readonly asBytes: boolean;
  readonly #take: PreparedRun;

  constructor(session: Runner, name: string) {
    this.asBytes = session.config.precision === 'bfloat16';
    const types = [tfType.int32, this.asBytes ? tfType.uint8 : tfType.float32];
    this.queue = declareQueue(session, name, types);
    const { outputs } = session.graph.add(
      'QueueDequeueV2',
      [this.queue],
      { component_types: { kind: 'types', value: types } },
      onHost,
    );
    this.#take = session.prepare({ inputs: [], outputs, targets: [], beside: true });
  }

  /** Waits for the next value. */
  async take(): Promise<Sent> {
    const [marks, value] = await this.#take([]);
    const [from, what] = marks!.data as Int32Array;
    marks!.free();
    return { from: from!, what: what!, value: this.asBytes ? elementsOf(value!) : value! };
  }
}

/** A value from its bytes, without a copy. */
function elementsOf(bytes: HostTensor): HostTensor {
  return bytes.as(bytes.shape.at(-1) === bytesPerElement('bfloat16') ? 'bfloat16' : 'float32');
}

/** Values that the host gives to one traced function, which receives them in the order of its trace. */
export class InStream {
  /** Of float32, of any shape. */
  readonly queue: GraphOutput;
  readonly #put: PreparedRun;

  constructor(session: Runner, name: string) {
    const types = [tfType.float32];
    this.queue = declareQueue(session, name, types);
    const value = session.graph.add('Placeholder', [], {
      dtype: { kind: 'type', value: tfType.float32 },
      shape: { kind: 'shape', value: [-1] },
    }).outputs[0]!;
    const enqueue = session.graph.add(
      'QueueEnqueueV2',
      [this.queue, value],
      { Tcomponents: { kind: 'types', value: types } },
      onHost,
    );
    this.#put = session.prepare({ inputs: [value], outputs: [], targets: [enqueue], beside: true });
  }

  /** Gives the next value, flat. It is copied; nobody needs to wait for it yet. */
  async put(values: Float32Array): Promise<void> {
    const feed = HostTensor.from('float32', [values.length], values);
    try {
      await this.#put([feed]);
    } finally {
      feed.free();
    }
  }
}

/** A queue without a limit, on the CPU: what is put in never waits. */
function declareQueue(session: Runner, name: string, types: readonly number[]): GraphOutput {
  return session.graph.add(
    'FIFOQueueV2',
    [],
    {
      component_types: { kind: 'types', value: types },
      capacity: { kind: 'int', value: -1 },
      shared_name: { kind: 'string', value: name },
    },
    onHost,
  ).outputs[0]!;
}
