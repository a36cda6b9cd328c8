/** A TF_Graph under construction: operations in, outputs with their inferred type and shape back. */
import { c, checked, type OutputRef, type Pointer, packOutputs } from './c-api.js';
import { tfType } from './dtype.js';
import type { HostTensor } from './host-tensor.js';
import { inputLists } from './op-def.js';

/** An attribute, in the kinds that TensorFlow distinguishes. */
export type Attribute =
  | { readonly kind: 'type' | 'int' | 'float'; readonly value: number }
  | { readonly kind: 'bool'; readonly value: boolean }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'shape' | 'ints' | 'floats' | 'types'; readonly value: readonly number[] }
  | { readonly kind: 'tensor'; readonly value: HostTensor }
  /** A serialised AttrValue: for a tensor of strings, which no HostTensor holds. */
  | { readonly kind: 'proto'; readonly value: Uint8Array };

export type Attributes = Readonly<Record<string, Attribute>>;

/** One output of an operation: where it comes from, and what it will be. */
export interface GraphOutput extends OutputRef {
  /** TF_DataType. */
  readonly type: number;
  readonly shape: readonly number[];
}

export interface Operation {
  readonly pointer: Pointer;
  readonly outputs: readonly GraphOutput[];
}

export interface OperationOptions {
  /** For example `/device:CPU:0`; unconstrained when absent. */
  readonly device?: string | undefined;
  /** Operations that must have run before this one. */
  readonly after?: readonly Operation[];
}

export class Graph {
  readonly pointer: Pointer = c.newGraph();
  #count = 0;

  /**
   * Adds an operation. `inputs` are flat, as the eager API takes them; lists are cut out by the OpDef.
   * @throws TensorFlowError with TensorFlow's own reason.
   */
  add(
    type: string,
    inputs: readonly OutputRef[],
    attributes: Attributes = {},
    { device, after = [] }: OperationOptions = {},
  ): Operation {
    // Looked up first: TensorFlow aborts the process when a description is begun and then never finished.
    const lists = inputLists(this.pointer, type);
    this.#count += 1;
    // Grappler sorts the inputs of sums by name. With numbers of one width that is the order of their making; else the
    // bits of a sum would depend on how many operations the graph had before (as after a resume in a later stage).
    const number = String(this.#count).padStart(8, '0');
    const description = c.newOperation(this.pointer, type, `${type}_${number}`);
    if (device !== undefined) c.setDevice(description, device);
    let next = 0;
    for (const lengthAttribute of lists) {
      if (lengthAttribute === null) {
        const input = inputs[next++];
        if (input !== undefined) c.addInput(description, { oper: input.oper, index: input.index });
      } else {
        const length = listLength(attributes[lengthAttribute], inputs.length - next);
        c.addInputList(description, packOutputs(inputs.slice(next, next + length)), length);
        next += length;
      }
    }
    for (const operation of after) c.addControlInput(description, operation.pointer);
    for (const [name, attribute] of Object.entries(attributes)) setAttribute(description, name, attribute);
    const pointer = checked((status) => c.finishOperation(description, status));
    return { pointer, outputs: this.#outputs(pointer) };
  }

  /** A constant whose value is stored in the graph. `value` may be freed afterwards. */
  constant(value: HostTensor): GraphOutput {
    return this.add('Const', [], {
      dtype: { kind: 'type', value: tfType[value.dtype] },
      value: { kind: 'tensor', value },
    }).outputs[0]!;
  }

  #outputs(pointer: Pointer): GraphOutput[] {
    return Array.from({ length: c.operationNumOutputs(pointer) }, (_, index) => {
      const output = { oper: pointer, index };
      const rank = checked((status) => c.graphTensorRank(this.pointer, output, status));
      const dims = new BigInt64Array(Math.max(rank, 0));
      if (rank > 0) checked((status) => c.graphTensorShape(this.pointer, output, dims, rank, status));
      return { ...output, type: c.operationOutputType(output), shape: Array.from(dims, Number) };
    });
  }

  delete(): void {
    c.deleteGraph(this.pointer);
  }
}

function listLength(attribute: Attribute | undefined, rest: number): number {
  if (attribute?.kind === 'int') return attribute.value;
  if (attribute?.kind === 'types') return attribute.value.length;
  return rest;
}

const int64s = (values: readonly number[]) => BigInt64Array.from(values, BigInt);

function setAttribute(description: Pointer, name: string, attribute: Attribute): void {
  switch (attribute.kind) {
    case 'type':
      c.setAttrType(description, name, attribute.value);
      break;
    case 'int':
      c.setAttrInt(description, name, attribute.value);
      break;
    case 'float':
      c.setAttrFloat(description, name, attribute.value);
      break;
    case 'bool':
      c.setAttrBool(description, name, attribute.value ? 1 : 0);
      break;
    case 'string': {
      const bytes = new TextEncoder().encode(attribute.value);
      c.setAttrString(description, name, bytes, bytes.length);
      break;
    }
    case 'shape':
      c.setAttrShape(description, name, int64s(attribute.value), attribute.value.length);
      break;
    case 'ints':
      c.setAttrIntList(description, name, int64s(attribute.value), attribute.value.length);
      break;
    case 'floats':
      c.setAttrFloatList(description, name, Float32Array.from(attribute.value), attribute.value.length);
      break;
    case 'types':
      c.setAttrTypeList(description, name, Int32Array.from(attribute.value), attribute.value.length);
      break;
    case 'proto':
      checked((status) =>
        c.setAttrValueProto(description, name, attribute.value, attribute.value.length, status),
      );
      break;
    case 'tensor':
      checked((status) => c.setAttrTensor(description, name, attribute.value.pointer, status));
  }
}
