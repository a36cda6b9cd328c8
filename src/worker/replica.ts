/** One worker's copy of the model: weights, running statistics, and what a stage keeps beside them, as variables on its device. */

import { elementCount } from '../shared/engine/dtype.js';
import type { HostTensor } from '../shared/engine/host-tensor.js';
import type { Fill, Session } from '../shared/engine/session.js';
import type { Variable } from '../shared/engine/variable.js';
import { LockstepError } from '../shared/errors.js';
import { initialize } from '../shared/model/initialize.js';
import type { Model } from '../shared/model/model.js';
import type { StageState } from './stage-state.js';

/** A tensor of a checkpoint, and the file it belongs to. */
export interface ReplicaTensor {
  readonly file: 'weights' | 'optimizer';
  readonly variable: Variable;
}

export class Replica {
  readonly #parameters = new Map<string, Variable>();
  readonly #statistics = new Map<string, Variable>();
  /** What stages have ever kept beside weights and statistics, by name; a stage uses what it has itself. */
  readonly #state = new Map<string, Variable>();
  #activeState: readonly Variable[] = [];
  /** By the name of the parameter or statistic. */
  #raw: ReadonlyMap<string, Variable> = new Map();

  constructor(
    readonly session: Session,
    readonly model: Model,
  ) {
    for (const { name, shape } of model.parameters) {
      this.#parameters.set(name, session.variable(name, 'float32', shape));
    }
    for (const { name, shape } of model.statistics) {
      this.#statistics.set(name, session.variable(name, 'float32', shape));
    }
  }

  /** Gives weights and statistics their first values: a pure function of the seed and each tensor's name. */
  async initialize(seed: number): Promise<void> {
    const values = new Map<Variable, Fill>();
    for (const spec of this.model.parameters) {
      values.set(this.parameter(spec.name), (out) => initialize(spec, seed, out));
    }
    for (const { name, init } of this.model.statistics) {
      values.set(this.statistic(name), (out) => out.fill(init));
    }
    await this.session.assign(values);
  }

  parameter(name: string): Variable {
    return found(this.#parameters, name);
  }

  statistic(name: string): Variable {
    return found(this.#statistics, name);
  }

  /**
   * The parameter or statistic as training sees and changes it: where the stage averages it, its raw twin, and
   * `parameter` or `statistic` gives the average.
   */
  trained(name: string): Variable {
    return this.#raw.get(name) ?? this.evaluated(name);
  }

  /** The parameter or statistic as it is evaluated and saved. */
  evaluated(name: string): Variable {
    return this.#parameters.get(name) ?? this.statistic(name);
  }

  /** What the stage keeps under this name: see `StageState`. */
  state(name: string): Variable {
    return found(this.#state, name);
  }

  /** Starts a stage: what it keeps beside weights and statistics gets its first values; what earlier stages kept is dropped. */
  async beginStage({ zeros, values, averaged }: StageState): Promise<void> {
    const first = new Map<Variable, ArrayLike<number> | Fill>();
    for (const { name, shape } of zeros) first.set(this.#declareState(name, shape), (out) => out.fill(0));
    for (const { name, shape, initial } of values) first.set(this.#declareState(name, shape), initial);
    this.#raw = new Map(averaged.map(({ name, shape }) => [name, this.#declareState(`raw/${name}`, shape)]));
    this.#activeState = [...first.keys(), ...this.#raw.values()];
    await this.session.assign(first);
    if (averaged.length > 0) await this.#startAverages();
  }

  #declareState(name: string, shape: readonly number[]): Variable {
    const variable = this.#state.get(name) ?? this.session.variable(name, 'float32', shape);
    this.#state.set(name, variable);
    return variable;
  }

  /** An average of one value is that value. */
  async #startAverages(): Promise<void> {
    const values = await this.session.read([...this.#raw.keys()].map((name) => this.#tensor(name)!));
    try {
      await this.session.assign(new Map([...this.#raw.values()].map((raw, i) => [raw, values[i]!.floats])));
    } finally {
      for (const value of values) value.free();
    }
  }

  /** Everything that a checkpoint holds, in a fixed order. */
  get tensors(): readonly ReplicaTensor[] {
    const weights = [...this.#parameters.values(), ...this.#statistics.values()];
    return [
      ...weights.map((variable) => ({ file: 'weights' as const, variable })),
      ...this.#activeState.map((variable) => ({ file: 'optimizer' as const, variable })),
    ];
  }

  /** All values now; the caller frees them. */
  async read(): Promise<HostTensor[]> {
    return await this.session.read(this.tensors.map(({ variable }) => variable));
  }

  /**
   * Changes the lowest bit of a tensor's first value.
   * @throws LockstepError USAGE when there is no such tensor
   */
  async perturb(name: string): Promise<void> {
    const variable = this.#tensor(name);
    if (variable === undefined) {
      throw new LockstepError('USAGE', `The model has no tensor '${name}'.`, {
        hint: `Its first is '${this.tensors[0]?.variable.name}'; a checkpoint's manifest and files name all.`,
      });
    }
    const [value] = await this.session.read([variable]);
    const changed = value!.floats.slice();
    value!.free();
    new Uint32Array(changed.buffer)[0]! ^= 1;
    await this.session.assign(new Map([[variable, changed]]));
  }

  #tensor(name: string): Variable | undefined {
    return this.#parameters.get(name) ?? this.#statistics.get(name) ?? this.#state.get(name);
  }

  /**
   * Replaces tensors by a checkpoint's, all of them or none. Where the stage averages a tensor that comes without its
   * raw twin, as at the beginning of a stage, the average starts with it.
   * @throws LockstepError CHECKPOINT when the model lacks one, or its size differs.
   */
  async load(tensors: ReadonlyMap<string, Float32Array>): Promise<void> {
    const values = new Map<Variable, Float32Array>();
    for (const [name, data] of tensors) {
      const variable = this.#tensor(name);
      if (variable === undefined) {
        throw new LockstepError(
          'CHECKPOINT',
          `The model has no tensor '${name}', which the checkpoint holds.`,
          mismatch,
        );
      }
      if (data.length !== elementCount(variable.shape)) {
        throw new LockstepError(
          'CHECKPOINT',
          `Tensor '${name}' has ${data.length} values in the checkpoint; the model wants [${variable.shape.join(',')}].`,
          mismatch,
        );
      }
      values.set(variable, data);
      const raw = this.#raw.get(name);
      if (raw !== undefined && !tensors.has(raw.name)) values.set(raw, data);
    }
    await this.session.assign(values);
  }
}

const mismatch = { hint: 'Use the configuration that the checkpoint was made with.' };

function found(variables: ReadonlyMap<string, Variable>, name: string): Variable {
  const variable = variables.get(name);
  if (variable === undefined) throw new LockstepError('ENGINE', `The replica has no variable '${name}'.`);
  return variable;
}
