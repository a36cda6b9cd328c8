/**
 * Recording of tfjs calls into a graph. tfjs-node's kernels all end in `backend.binding.executeOp`; while a trace is
 * open, that binding builds TF_Operations and computes nothing. Gradients come from tfjs itself, so they are recorded too.
 */
import type { NamedTensorMap, Tensor } from '@tensorflow/tfjs-node-gpu';
import { LockstepError } from '../errors.js';
import { TensorFlowError } from './c-api.js';
import { describe, hostType, tfType } from './dtype.js';
import type { Attribute, Attributes, Graph, GraphOutput, Operation, OperationOptions } from './graph.js';
import { HostTensor } from './host-tensor.js';
import type { InStream, OutStream } from './stream.js';
import { tf } from './tensorflow.js';
import type { Variable } from './variable.js';

/** What the addon returns for a tensor. */
interface TensorMetadata {
  readonly id: number;
  readonly shape: number[];
  readonly dtype: number;
}
interface KernelAttribute {
  readonly name: string;
  readonly type: number;
  readonly value: unknown;
}
type Values = Float32Array | Int32Array | Uint8Array;

/** The part of tfjs-node's addon that kernels use. */
interface Binding {
  readonly TF_ATTR_STRING: number;
  readonly TF_ATTR_INT: number;
  readonly TF_ATTR_FLOAT: number;
  readonly TF_ATTR_BOOL: number;
  readonly TF_ATTR_TYPE: number;
  readonly TF_ATTR_SHAPE: number;
  createTensor(shape: number[], dtype: number, values: Values): number;
  deleteTensor(id: number): void;
  tensorDataSync(id: number): Values;
  executeOp(name: string, attributes: KernelAttribute[], inputs: number[], outputs: number): TensorMetadata[];
}

/** The members of NodeJSKernelBackend that a trace replaces for its duration. */
interface NodeBackend {
  binding: Binding;
  readonly tensorMap: { get(dataId: object): { id: number; values: Values | null } };
  move(dataId: object, values: Values, shape: number[], dtype: string, refCount: number): void;
  getInputTensorIds(tensors: Tensor[]): number[];
  createOutputTensor(metadata: TensorMetadata): Tensor;
}

/** Ids of traced tensors lie far above those that the addon gives to eager ones. */
const firstTracedId = 2 ** 30;
let nextTracedId = firstTracedId;

/** What a trace recorded. */
export interface Recording {
  readonly inputs: ReadonlyMap<string, GraphOutput>;
  readonly outputs: ReadonlyMap<string, GraphOutput>;
  /** Operations that are run for what they do: assignments and sends. */
  readonly effects: readonly Operation[];
}

export class Trace {
  readonly #inputs = new Map<string, GraphOutput>();
  readonly #effects: Operation[] = [];
  readonly #outputs = new Map<number, GraphOutput>();
  readonly #born = new WeakSet<object>();
  readonly #received = new Map<InStream, Operation>();
  /** By what they hold: a quarter of a network's operations would be shapes and numbers that it has already. */
  readonly #constants = new Map<string, GraphOutput>();
  #after: readonly Operation[] = [];
  #kernel = 'no tfjs call';

  private constructor(
    readonly name: string,
    private readonly graph: Graph,
    private readonly backend: NodeBackend,
  ) {}

  /**
   * Runs `build` with tfjs recording into `graph`. The named tensors it returns become the outputs.
   * @throws LockstepError TRACE when a traced value is read, an eager tensor is captured, or TensorFlow refuses an
   * operation.
   */
  static record(name: string, graph: Graph, build: (trace: Trace) => NamedTensorMap): Recording {
    const backend = tf.backend() as unknown as NodeBackend;
    const trace = new Trace(name, graph, backend);
    return trace.#recording(() => {
      const outputs = new Map<string, GraphOutput>();
      // The tidy disposes of all traced tensors while deleting them is still harmless.
      tf.tidy(() => {
        for (const [key, tensor] of Object.entries(build(trace))) outputs.set(key, trace.#output(tensor));
      });
      return { inputs: trace.#inputs, outputs, effects: trace.#effects };
    });
  }

  /**
   * A value that every run is given. uint8 inputs are cast to float32 inside the graph, since tfjs has no uint8: an
   * image then crosses to the device with one byte a value.
   */
  input(name: string, dtype: 'float32' | 'int32' | 'uint8', shape: readonly number[]): Tensor {
    if (this.#inputs.has(name)) throw this.#error(`Two inputs are called '${name}'.`);
    const placeholder = this.#add('Placeholder', [], {
      dtype: { kind: 'type', value: tfType[dtype] },
      shape: { kind: 'shape', value: shape },
    }).outputs[0]!;
    this.#inputs.set(name, placeholder);
    return this.#wrap(dtype === 'uint8' ? this.#castToFloat(placeholder) : placeholder);
  }

  /** An eager tensor's present value, stored in the graph. */
  constant(eager: Tensor): Tensor {
    const host = HostTensor.from(hostType(tfType[eager.dtype as 'float32']), eager.shape, eager.dataSync());
    try {
      return this.#wrap(this.#constant(host));
    } finally {
      host.free();
    }
  }

  /** A string, as some of TensorFlow's operations want for an option. */
  text(value: string): Tensor {
    const make = () =>
      this.graph.add('Const', [], {
        dtype: { kind: 'type', value: tfType.string },
        value: { kind: 'proto', value: stringAttribute(value) },
      }).outputs[0]!;
    return this.#wrap(this.#once(`string ${value}`, make));
  }

  /** The variable's value when the run gets here. */
  read(variable: Variable): Tensor {
    const attributes: Attributes = { dtype: { kind: 'type', value: tfType[variable.dtype] } };
    return this.#wrap(this.#add('ReadVariableOp', [variable.handle], attributes).outputs[0]!);
  }

  assign(variable: Variable, value: Tensor): void {
    const attributes: Attributes = { dtype: { kind: 'type', value: tfType[variable.dtype] } };
    this.#effects.push(this.#add('AssignVariableOp', [variable.handle, this.#output(value)], attributes));
  }

  /** Takes a value off the variable, in place. */
  subtract(variable: Variable, value: Tensor): void {
    const attributes: Attributes = { dtype: { kind: 'type', value: tfType[variable.dtype] } };
    this.#effects.push(this.#add('AssignSubVariableOp', [variable.handle, this.#output(value)], attributes));
  }

  /** A TensorFlow operation by its own name; those without outputs count as effects. */
  op(type: string, inputs: readonly (Tensor | Variable)[], attributes: Attributes = {}): Tensor[] {
    const operation = this.#add(
      type,
      inputs.map((input) => ('handle' in input ? input.handle : this.#output(input))),
      attributes,
    );
    if (operation.outputs.length === 0) this.#effects.push(operation);
    return operation.outputs.map((output) => this.#wrap(output));
  }

  /** Hands `tensor` to the host as soon as it is computed, while the run goes on; the marks say which value it is. */
  send(stream: OutStream, marks: { readonly from: number; readonly what: number }, tensor: Tensor): void {
    const host = HostTensor.from('int32', [2], [marks.from, marks.what]);
    try {
      const value = this.#output(tensor);
      const sent = stream.asBytes ? this.#bytes(value) : value;
      const enqueue = this.#add(
        'QueueEnqueueV2',
        [stream.queue, this.#constant(host), sent],
        { Tcomponents: { kind: 'types', value: [tfType.int32, sent.type] } },
        // On the CPU, so that the copy from a GPU begins while backward goes on there.
        { device: '/device:CPU:0' },
      );
      this.#effects.push(enqueue);
    } finally {
      host.free();
    }
  }

  /**
   * The stream's next float32 [size], which the host puts in while the run goes on; whatever depends on it waits. A run
   * takes them in the order in which its trace asked for them.
   */
  receive(stream: InStream, size: number): Tensor {
    const before = this.#received.get(stream);
    const dequeue = this.#add(
      'QueueDequeueV2',
      [stream.queue],
      { component_types: { kind: 'types', value: [tfType.float32] } },
      { device: '/device:CPU:0', after: before === undefined ? this.#after : [...this.#after, before] },
    );
    this.#received.set(stream, dequeue);
    // A queue does not tell its elements' shape to shape inference; whatever follows needs it.
    const shaped = this.#add('EnsureShape', [dequeue.outputs[0]!], {
      T: { kind: 'type', value: tfType.float32 },
      shape: { kind: 'shape', value: [size] },
    });
    return this.#wrap(shaped.outputs[0]!);
  }

  /** What each of them records runs after the effects of those before it. */
  inOrder(...builds: readonly (() => void)[]): void {
    let effects: readonly Operation[] = [];
    for (const build of builds) {
      const before = this.#effects.length;
      this.#following(effects, build);
      if (this.#effects.length > before) effects = this.#effects.slice(before);
    }
  }

  /**
   * Whatever `build` records runs only where `condition` (bool, scalar) holds; declare inputs before. As tf.cond does it:
   * an operation that follows a dead one is dead, and Switch's second output is dead where the condition does not hold.
   */
  onlyIf(condition: Tensor, build: () => void): void {
    const value = this.#output(condition);
    const type: Attributes = { T: { kind: 'type', value: value.type } };
    const { outputs } = this.#add('Switch', [value, value], type);
    this.#following([this.#add('Identity', [outputs[1]!], type)], build);
  }

  #following(operations: readonly Operation[], build: () => void): void {
    const outer = this.#after;
    this.#after = [...outer, ...operations];
    try {
      build();
    } finally {
      this.#after = outer;
    }
  }

  /** It follows nothing, even where other operations do: it is there from the start, and they wait for themselves. */
  #constant(value: HostTensor): GraphOutput {
    const { dtype, shape, data } = value;
    const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('latin1');
    return this.#once(`${dtype} [${shape}] ${bytes}`, () => this.graph.constant(value));
  }

  #once(key: string, make: () => GraphOutput): GraphOutput {
    const constant = this.#constants.get(key) ?? make();
    this.#constants.set(key, constant);
    return constant;
  }

  #castToFloat(value: GraphOutput): GraphOutput {
    return this.#add('Cast', [value], {
      SrcT: { kind: 'type', value: value.type },
      DstT: { kind: 'type', value: tfType.float32 },
    }).outputs[0]!;
  }

  /** The same memory, as long as nothing casts it. */
  #bytes(value: GraphOutput): GraphOutput {
    return this.#add('Bitcast', [value], {
      T: { kind: 'type', value: value.type },
      type: { kind: 'type', value: tfType.uint8 },
    }).outputs[0]!;
  }

  #add(
    type: string,
    inputs: GraphOutput[],
    attributes: Attributes,
    options: OperationOptions = {},
  ): Operation {
    try {
      return this.graph.add(type, inputs, attributes, { after: this.#after, ...options });
    } catch (cause) {
      if (!(cause instanceof TensorFlowError)) throw cause;
      const operands = inputs.map((input) => describe(input.type, input.shape)).join(', ');
      throw this.#error(
        `TensorFlow refuses ${type}(${operands}), called by ${this.#kernel}: ${cause.message}.`,
        cause,
      );
    }
  }

  #wrap(output: GraphOutput): Tensor {
    const id = nextTracedId++;
    this.#outputs.set(id, output);
    return this.backend.createOutputTensor({ id, shape: [...output.shape], dtype: output.type });
  }

  #output(tensor: Tensor): GraphOutput {
    return this.#byId(this.backend.getInputTensorIds([tensor])[0]!);
  }

  #byId(id: number): GraphOutput {
    const output = this.#outputs.get(id);
    if (output !== undefined) return output;
    throw this.#error(
      `${this.#kernel} uses ${id >= firstTracedId ? "another trace's tensor" : 'an eager tensor'}.`,
      undefined,
      captureHint,
    );
  }

  #error(message: string, cause?: unknown, hint?: string): LockstepError {
    return new LockstepError('TRACE', `Tracing '${this.name}': ${message}`, {
      cause,
      ...(hint === undefined ? {} : { hint }),
    });
  }

  /** Puts the recording binding in place, calls `f`, and puts everything back. */
  #recording<T>(f: () => T): T {
    const { backend } = this;
    const { binding, move, getInputTensorIds } = backend;
    const engine = tf.engine();
    const runKernel = engine.runKernel;
    backend.binding = this.#recordingBinding(binding);
    backend.move = (dataId, ...rest) => {
      this.#born.add(dataId);
      move.call(backend, dataId, ...rest);
    };
    // An eager tensor that was never used yet has values but no id; uploading it would leave it with a traced one.
    backend.getInputTensorIds = (tensors) => {
      for (const { dataId, dtype, shape } of tensors) {
        if (backend.tensorMap.get(dataId).values !== null && !this.#born.has(dataId)) {
          const what = `${dtype}[${shape.join(',')}]`;
          throw this.#error(`${this.#kernel} uses an eager tensor, ${what}.`, undefined, captureHint);
        }
      }
      return getInputTensorIds.call(backend, tensors);
    };
    engine.runKernel = ((...call: Parameters<typeof runKernel>) => {
      const outer = this.#kernel;
      this.#kernel = `tfjs's ${call[0]}`;
      try {
        return runKernel.apply(engine, call);
      } finally {
        this.#kernel = outer;
      }
    }) as typeof runKernel;
    try {
      return f();
    } finally {
      backend.binding = binding;
      backend.move = move;
      backend.getInputTensorIds = getInputTensorIds;
      engine.runKernel = runKernel;
    }
  }

  #recordingBinding(binding: Binding): Binding {
    const replaced: Omit<Binding, `TF_${string}`> = {
      createTensor: (shape, dtype, values) => {
        const host = HostTensor.from(hostType(dtype), shape, values);
        try {
          const id = nextTracedId++;
          this.#outputs.set(id, this.#constant(host));
          return id;
        } finally {
          host.free();
        }
      },
      deleteTensor: (id) => {
        if (id < firstTracedId) binding.deleteTensor(id);
      },
      tensorDataSync: (id) => {
        if (id < firstTracedId) return binding.tensorDataSync(id);
        const output = this.#outputs.get(id);
        const what = output === undefined ? '' : ` ${describe(output.type, output.shape)}`;
        throw this.#error(
          `The value of the traced tensor${what} was read, but nothing has been computed yet.`,
          undefined,
          'Return it as an output of the trace and read it after a run.',
        );
      },
      executeOp: (name, attributes, inputs) => {
        const operation = this.#add(
          name,
          inputs.map((id) => this.#byId(id)),
          Object.fromEntries(attributes.map((a) => [a.name, convert(a, binding)])),
        );
        return operation.outputs.map((output) => {
          const id = nextTracedId++;
          this.#outputs.set(id, output);
          return { id, shape: [...output.shape], dtype: output.type };
        });
      },
    };
    // The addon's exports are read-only, so plain assignment to a derived object is refused.
    const recording = Object.create(binding) as Binding;
    for (const [key, value] of Object.entries(replaced)) Object.defineProperty(recording, key, { value });
    return recording;
  }
}

const captureHint = 'Declare it with trace.input(), or store its value on purpose with trace.constant().';

/**
 * AttrValue (attr_value.proto) with tensor = 8, a TensorProto (tensor.proto) with dtype = 1, tensor_shape = 2 (empty:
 * scalar) and string_val = 8.
 */
function stringAttribute(value: string): Uint8Array {
  const bytes = new TextEncoder().encode(value);
  const tensor = [1 * 8, tfType.string, 2 * 8 + 2, 0, 8 * 8 + 2, bytes.length, ...bytes];
  return Uint8Array.from([8 * 8 + 2, tensor.length, ...tensor]);
}

/** tfjs-node's attribute as a graph's. */
function convert({ type, value, name }: KernelAttribute, binding: Binding): Attribute {
  const list = Array.isArray(value);
  switch (type) {
    case binding.TF_ATTR_STRING:
      return { kind: 'string', value: value as string };
    case binding.TF_ATTR_INT:
      return list ? { kind: 'ints', value: value as number[] } : { kind: 'int', value: value as number };
    case binding.TF_ATTR_FLOAT:
      return list ? { kind: 'floats', value: value as number[] } : { kind: 'float', value: value as number };
    case binding.TF_ATTR_BOOL:
      return { kind: 'bool', value: Boolean(value) };
    case binding.TF_ATTR_TYPE:
      return { kind: 'type', value: value as number };
    case binding.TF_ATTR_SHAPE:
      return { kind: 'shape', value: value as number[] };
    default:
      throw new LockstepError(
        'TRACE',
        `Attribute '${name}' has a kind (${type}) that a graph cannot store yet.`,
      );
  }
}
