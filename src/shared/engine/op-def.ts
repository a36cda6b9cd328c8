/** Which inputs of a TensorFlow operation are lists: eager execution does not need to know, a graph does. */
import { createRequire } from 'node:module';
import { bufferBytes, c, checked, type Pointer } from './c-api.js';

interface ArgDef {
  getNumberAttr(): string;
  getTypeListAttr(): string;
}
interface OpDefMessage {
  getInputArgList(): ArgDef[];
}
interface Messages {
  OpDef: { deserializeBinary(bytes: Uint8Array): OpDefMessage };
}

const messages: Messages = createRequire(import.meta.url)('@tensorflow/tfjs-node-gpu/dist/proto/api_pb.js');

/** For each declared input: the attribute that tells the list's length, or null for a single tensor. */
export type InputLists = readonly (string | null)[];

const known = new Map<string, InputLists>();

/** @throws TensorFlowError when there is no such operation. */
export function inputLists(graph: Pointer, opType: string): InputLists {
  let lists = known.get(opType);
  if (lists === undefined) {
    const buffer = c.newBuffer();
    try {
      checked((status) => c.graphGetOpDef(graph, opType, buffer, status));
      lists = messages.OpDef.deserializeBinary(bufferBytes(buffer))
        .getInputArgList()
        .map((arg) => arg.getNumberAttr() || arg.getTypeListAttr() || null);
    } finally {
      c.deleteBuffer(buffer);
    }
    known.set(opType, lists);
  }
  return lists;
}
