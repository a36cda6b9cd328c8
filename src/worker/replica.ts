/** One worker's copy of the model: weights, running statistics and optimiser slots, as variables on its device. */

import { elementCount } from '../shared/engine/dtype.js';
import type { HostTensor } from '../shared/engine/host-tensor.js';
import type { Session } from '../shared/engine/session.js';
import type { Variable } from '../shared/engine/variable.js';
import { LockstepError } from '../shared/errors.js';
import { initialize } from '../shared/model/initialize.js';
import type { Model, ParameterSpec } from '../shared/model/model.js';

/** A tensor of a checkpoint, and the file it belongs to. */
export interface ReplicaTensor {
  readonly file: 'weights' | 'optimizer';
  readonly variable: Variable;
}

export class Replica {
  readonly #parameters = new Map<string, Variable>();
  readonly #statistics = new Map<string, Variable>();
  /** Every slot ever declared; a stage uses those of its own optimiser and parameters. */
  readonly #slots = new Map<string, Variable>();
  #activeSlots: Variable[] = [];

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
    const values = new Map<Variable, Float32Array>();
    for (const spec of this.model.parameters) values.set(this.parameter(spec.name), initialize(spec, seed));
    for (const { name, shape, init } of this.model.statistics) {
      values.set(this.statistic(name), new Float32Array(elementCount(shape)).fill(init));
    }
    await this.session.assign(values);
  }

  parameter(name: string): Variable {
    return found(this.#parameters, name);
  }

  statistic(name: string): Variable {
    return found(this.#statistics, name);
  }

  slot(kind: string, parameter: string): Variable {
    return found(this.#slots, `${kind}/${parameter}`);
  }

  /** Starts a stage's optimiser: slots of `kinds` for `parameters`, all zero. Earlier stages' slots are dropped. */
  async resetSlots(kinds: readonly string[], parameters: readonly ParameterSpec[]): Promise<void> {
    const zeros = new Map<Variable, Float32Array>();
    for (const kind of kinds) {
      for (const { name, shape } of parameters) {
        const key = `${kind}/${name}`;
        const slot = this.#slots.get(key) ?? this.session.variable(key, 'float32', shape);
        this.#slots.set(key, slot);
        zeros.set(slot, new Float32Array(elementCount(shape)));
      }
    }
    this.#activeSlots = [...zeros.keys()];
    await this.session.assign(zeros);
  }

  /** Everything that a checkpoint holds, in a fixed order. */
  get tensors(): readonly ReplicaTensor[] {
    const weights = [...this.#parameters.values(), ...this.#statistics.values()];
    return [
      ...weights.map((variable) => ({ file: 'weights' as const, variable })),
      ...this.#activeSlots.map((variable) => ({ file: 'optimizer' as const, variable })),
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
    const variable = this.#variable(name);
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

  #variable(name: string): Variable | undefined {
    return this.#parameters.get(name) ?? this.#statistics.get(name) ?? this.#slots.get(name);
  }

  /**
   * Replaces tensors by a checkpoint's, all of them or none.
   * @throws LockstepError CHECKPOINT when the model lacks one, or its size differs.
   */
  async load(tensors: ReadonlyMap<string, Float32Array>): Promise<void> {
    const values = new Map<Variable, Float32Array>();
    for (const [name, data] of tensors) {
      const variable = this.#variable(name);
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
