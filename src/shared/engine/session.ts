/** A TF_Session with its graph: variables, and functions traced from tfjs that run beside each other. */
import type { NamedTensorMap } from '@tensorflow/tfjs-node-gpu';
import { LockstepError } from '../errors.js';
import { c, checked, type OutputRef, type Pointer, packOutputs, throwIfFailed } from './c-api.js';
import { tfType } from './dtype.js';
import { Graph, type Operation } from './graph.js';
import { HostTensor } from './host-tensor.js';
import type { PreparedRun, Runner, Signature } from './prepared-run.js';
import { configProto, runInCallerThread, type SessionConfig } from './session-config.js';
import { Trace } from './trace.js';
import { TracedFunction } from './traced-function.js';
import type { Variable } from './variable.js';
// Whoever has a session has them, with their threads: core-turns.ts counts on it.
import '../kernels/kernels.js';

/** Writes a variable's value to `out`, row-major; what is there before means nothing. */
export type Fill = (out: Float32Array) => void;

/** What reads a variable, and what sets it. */
interface DeclaredVariable {
  readonly read: OutputRef;
  /** The placeholder of the value to assign. */
  readonly value: OutputRef;
  readonly assign: Operation;
}

export class Session implements Runner {
  readonly #graph = new Graph();
  readonly #pointer: Pointer;
  readonly #besideOptions: Pointer;
  readonly #variables = new Map<string, DeclaredVariable>();
  readonly #inFlight = new Set<Promise<unknown>>();
  #closed = false;

  constructor(readonly config: SessionConfig) {
    const options = c.newSessionOptions();
    const proto = configProto(config);
    try {
      checked((status) => c.setConfig(options, proto, proto.length, status));
      this.#pointer = checked((status) => c.newSession(this.#graph.pointer, options, status));
    } finally {
      c.deleteSessionOptions(options);
    }
    this.#besideOptions = c.newBufferFromString(runInCallerThread, runInCallerThread.length);
  }

  /** Declares a variable. It has no value before `assign`. */
  variable(name: string, dtype: 'float32' | 'int32', shape: readonly number[]): Variable {
    if (this.#variables.has(name))
      throw new LockstepError('ENGINE', `There is a variable '${name}' already.`);
    const graph = this.#graph;
    const type = { kind: 'type', value: tfType[dtype] } as const;
    const handle = graph.add('VarHandleOp', [], {
      dtype: type,
      shape: { kind: 'shape', value: shape },
      shared_name: { kind: 'string', value: name },
    }).outputs[0]!;
    const value = graph.add('Placeholder', [], { dtype: type, shape: { kind: 'shape', value: shape } })
      .outputs[0]!;
    const assign = graph.add('AssignVariableOp', [handle, value], { dtype: type });
    const read = graph.add('ReadVariableOp', [handle], { dtype: type }).outputs[0]!;
    const variable = { name, dtype, shape, handle };
    this.#variables.set(name, { read, value, assign });
    return variable;
  }

  /** Records tfjs code as a function that runs as one graph. See Trace, and Signature for `beside`. */
  trace(
    name: string,
    build: (trace: Trace) => NamedTensorMap,
    { beside = false }: Pick<Signature, 'beside'> = {},
  ): TracedFunction {
    return new TracedFunction(name, this, Trace.record(name, this.#graph, build), beside);
  }

  /**
   * Sets variables from the host, in one run: every further signature costs TensorFlow a copy of the whole graph. Values
   * are copied, so that TensorFlow may keep the memory it is given; a function of a float32 variable's writes them there.
   */
  async assign(values: ReadonlyMap<Variable, ArrayLike<number> | Fill>): Promise<void> {
    const declared = [...values.keys()].map((variable) => this.#declared(variable));
    const inputs = declared.map(({ value }) => value);
    const targets = declared.map(({ assign }) => assign);
    const feeds: HostTensor[] = [];
    try {
      for (const [{ dtype, shape }, given] of values) {
        if (typeof given !== 'function') {
          feeds.push(HostTensor.from(dtype, shape, given));
          continue;
        }
        const feed = HostTensor.allocate(dtype, shape);
        feeds.push(feed);
        given(feed.floats);
      }
      await this.prepare({ inputs, outputs: [], targets })(feeds);
    } finally {
      for (const feed of feeds) feed.free();
    }
  }

  /** The variables' values, in one run; the caller frees them, and does not write to them. */
  async read(variables: readonly Variable[]): Promise<HostTensor[]> {
    const outputs = variables.map((variable) => this.#declared(variable).read);
    return await this.prepare({ inputs: [], outputs, targets: [] })([]);
  }

  #declared({ name }: Variable): DeclaredVariable {
    const declared = this.#variables.get(name);
    if (declared === undefined) throw new LockstepError('ENGINE', `This session has no variable '${name}'.`);
    return declared;
  }

  /** Adds operations to the graph by hand: what streams need. */
  get graph(): Graph {
    return this.#graph;
  }

  /** Packs a signature for TF_SessionRun. The event loop stays free while a run is in flight. */
  prepare({ inputs, outputs, targets, beside = false }: Signature): PreparedRun {
    const packedInputs = packOutputs(inputs);
    const packedOutputs = packOutputs(outputs);
    const packedTargets = BigUint64Array.from(targets, (operation) => operation.pointer);
    return async (feeds) => {
      if (this.#closed) throw new LockstepError('ENGINE', 'The session is closed.');
      if (feeds.length !== inputs.length) {
        throw new LockstepError(
          'ENGINE',
          `The run takes ${inputs.length} inputs, ${feeds.length} were given.`,
        );
      }
      const values = BigUint64Array.from(feeds, (feed) => feed.pointer);
      const results = new BigUint64Array(outputs.length);
      const status = c.newStatus();
      const finished = new Promise<void>((resolve, reject) => {
        c.sessionRun.async(
          this.#pointer,
          beside ? this.#besideOptions : null,
          packedInputs,
          values,
          inputs.length,
          packedOutputs,
          results,
          outputs.length,
          packedTargets,
          targets.length,
          null,
          status,
          (error: unknown) => (error ? reject(error) : resolve()),
        );
      });
      this.#inFlight.add(finished);
      try {
        await finished;
        throwIfFailed(status);
        return Array.from(results, (pointer) => HostTensor.adopt(pointer));
      } finally {
        this.#inFlight.delete(finished);
        c.deleteStatus(status);
      }
    };
  }

  /** Ends the session; runs that wait at a stream are cancelled and rejected. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    checked((status) => c.closeSession(this.#pointer, status));
    await Promise.allSettled(this.#inFlight);
    checked((status) => c.deleteSession(this.#pointer, status));
    c.deleteBuffer(this.#besideOptions);
    this.#graph.delete();
  }
}
