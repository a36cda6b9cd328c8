/** TensorFlow's C API, as far as Lockstep uses it, through koffi: no native code of our own. */
import koffi, { type KoffiFunc } from 'koffi';
import { LockstepError } from '../errors.js';
import { readInstallation } from './installation.js';
import { MemoryViews } from './memory-views.js';
// The addon must hold the library before koffi opens it: koffi closes what it opened at exit, and TensorFlow's
// threads do not survive that.
import './tensorflow.js';

/** An address. The C API's objects are opaque to us. */
export type Pointer = bigint;

/** TF_Output: the `index`-th output of an operation. */
export interface OutputRef {
  readonly oper: Pointer;
  readonly index: number;
}

koffi.struct('TF_Output', { oper: 'void *', index: 'int' });
koffi.struct('TF_Buffer', { data: 'void *', length: 'size_t', deallocator: 'void *' });

const library = koffi.load(readInstallation().libraryPath);

type Signature = (...args: never[]) => unknown;
function declare<T extends Signature>(prototype: string): KoffiFunc<T> {
  return library.func(prototype) as unknown as KoffiFunc<T>;
}

type Bytes = Uint8Array | BigUint64Array | BigInt64Array | Int32Array | Float32Array | null;

export const c = {
  newStatus: declare<() => Pointer>('void *TF_NewStatus()'),
  deleteStatus: declare<(s: Pointer) => void>('void TF_DeleteStatus(void *s)'),
  getCode: declare<(s: Pointer) => number>('int TF_GetCode(void *s)'),
  message: declare<(s: Pointer) => string>('const char *TF_Message(void *s)'),
  version: declare<() => string>('const char *TF_Version()'),

  newBuffer: declare<() => Pointer>('void *TF_NewBuffer()'),
  newBufferFromString: declare<(data: Bytes, n: number) => Pointer>(
    'void *TF_NewBufferFromString(const void *data, size_t n)',
  ),
  deleteBuffer: declare<(b: Pointer) => void>('void TF_DeleteBuffer(void *b)'),

  allocateTensor: declare<(dtype: number, dims: Bytes, rank: number, bytes: number) => Pointer>(
    'void *TF_AllocateTensor(int dtype, const void *dims, int rank, size_t bytes)',
  ),
  /** Of memory that is not TensorFlow's; `deallocate` (data, bytes, argument) is called when nobody reads it any more. */
  newTensor: declare<
    (
      dtype: number,
      dims: Bytes,
      rank: number,
      data: Bytes,
      bytes: number,
      deallocate: Pointer,
      argument: null,
    ) => Pointer
  >(
    'void *TF_NewTensor(int dtype, const void *dims, int rank, void *data, size_t bytes, void *deallocate, void *argument)',
  ),
  /** Gives `to` the memory of `from`, as elements of another type. */
  bitcastTensor: declare<
    (from: Pointer, dtype: number, to: Pointer, dims: Bytes, rank: number, s: Pointer) => void
  >('void TF_TensorBitcastFrom(void *from, int dtype, void *to, const void *dims, int rank, void *s)'),
  deleteTensor: declare<(t: Pointer) => void>('void TF_DeleteTensor(void *t)'),
  tensorData: declare<(t: Pointer) => Pointer>('void *TF_TensorData(void *t)'),
  tensorType: declare<(t: Pointer) => number>('int TF_TensorType(void *t)'),
  numDims: declare<(t: Pointer) => number>('int TF_NumDims(void *t)'),
  dim: declare<(t: Pointer, i: number) => number | bigint>('int64_t TF_Dim(void *t, int i)'),

  newGraph: declare<() => Pointer>('void *TF_NewGraph()'),
  deleteGraph: declare<(g: Pointer) => void>('void TF_DeleteGraph(void *g)'),
  graphGetOpDef: declare<(g: Pointer, name: string, out: Pointer, s: Pointer) => void>(
    'void TF_GraphGetOpDef(void *g, const char *name, void *out, void *s)',
  ),
  graphTensorRank: declare<(g: Pointer, o: OutputRef, s: Pointer) => number>(
    'int TF_GraphGetTensorNumDims(void *g, TF_Output o, void *s)',
  ),
  graphTensorShape: declare<(g: Pointer, o: OutputRef, dims: Bytes, rank: number, s: Pointer) => void>(
    'void TF_GraphGetTensorShape(void *g, TF_Output o, void *dims, int rank, void *s)',
  ),

  newOperation: declare<(g: Pointer, type: string, name: string) => Pointer>(
    'void *TF_NewOperation(void *g, const char *type, const char *name)',
  ),
  setDevice: declare<(d: Pointer, device: string) => void>('void TF_SetDevice(void *d, const char *device)'),
  addInput: declare<(d: Pointer, o: OutputRef) => void>('void TF_AddInput(void *d, TF_Output o)'),
  addInputList: declare<(d: Pointer, list: Bytes, n: number) => void>(
    'void TF_AddInputList(void *d, const void *list, int n)',
  ),
  addControlInput: declare<(d: Pointer, op: Pointer) => void>('void TF_AddControlInput(void *d, void *op)'),
  setAttrType: declare<(d: Pointer, name: string, v: number) => void>(
    'void TF_SetAttrType(void *d, const char *name, int v)',
  ),
  setAttrTypeList: declare<(d: Pointer, name: string, v: Bytes, n: number) => void>(
    'void TF_SetAttrTypeList(void *d, const char *name, const void *v, int n)',
  ),
  setAttrBool: declare<(d: Pointer, name: string, v: number) => void>(
    'void TF_SetAttrBool(void *d, const char *name, uint8_t v)',
  ),
  setAttrInt: declare<(d: Pointer, name: string, v: number) => void>(
    'void TF_SetAttrInt(void *d, const char *name, int64_t v)',
  ),
  setAttrIntList: declare<(d: Pointer, name: string, v: Bytes, n: number) => void>(
    'void TF_SetAttrIntList(void *d, const char *name, const void *v, int n)',
  ),
  setAttrFloat: declare<(d: Pointer, name: string, v: number) => void>(
    'void TF_SetAttrFloat(void *d, const char *name, float v)',
  ),
  setAttrFloatList: declare<(d: Pointer, name: string, v: Bytes, n: number) => void>(
    'void TF_SetAttrFloatList(void *d, const char *name, const void *v, int n)',
  ),
  setAttrString: declare<(d: Pointer, name: string, v: Bytes, n: number) => void>(
    'void TF_SetAttrString(void *d, const char *name, const void *v, size_t n)',
  ),
  setAttrShape: declare<(d: Pointer, name: string, dims: Bytes, rank: number) => void>(
    'void TF_SetAttrShape(void *d, const char *name, const void *dims, int rank)',
  ),
  setAttrTensor: declare<(d: Pointer, name: string, t: Pointer, s: Pointer) => void>(
    'void TF_SetAttrTensor(void *d, const char *name, void *t, void *s)',
  ),
  setAttrValueProto: declare<(d: Pointer, name: string, proto: Bytes, n: number, s: Pointer) => void>(
    'void TF_SetAttrValueProto(void *d, const char *name, const void *proto, size_t n, void *s)',
  ),
  finishOperation: declare<(d: Pointer, s: Pointer) => Pointer>('void *TF_FinishOperation(void *d, void *s)'),
  operationNumOutputs: declare<(op: Pointer) => number>('int TF_OperationNumOutputs(void *op)'),
  operationOutputType: declare<(o: OutputRef) => number>('int TF_OperationOutputType(TF_Output o)'),

  newSessionOptions: declare<() => Pointer>('void *TF_NewSessionOptions()'),
  deleteSessionOptions: declare<(o: Pointer) => void>('void TF_DeleteSessionOptions(void *o)'),
  setConfig: declare<(o: Pointer, proto: Bytes, n: number, s: Pointer) => void>(
    'void TF_SetConfig(void *o, const void *proto, size_t n, void *s)',
  ),
  newSession: declare<(g: Pointer, o: Pointer, s: Pointer) => Pointer>(
    'void *TF_NewSession(void *g, void *o, void *s)',
  ),
  closeSession: declare<(session: Pointer, s: Pointer) => void>(
    'void TF_CloseSession(void *session, void *s)',
  ),
  deleteSession: declare<(session: Pointer, s: Pointer) => void>(
    'void TF_DeleteSession(void *session, void *s)',
  ),
  sessionListDevices: declare<(session: Pointer, s: Pointer) => Pointer>(
    'void *TF_SessionListDevices(void *session, void *s)',
  ),
  deviceListCount: declare<(list: Pointer) => number>('int TF_DeviceListCount(void *list)'),
  deviceListType: declare<(list: Pointer, i: number, s: Pointer) => string>(
    'const char *TF_DeviceListType(void *list, int i, void *s)',
  ),
  deleteDeviceList: declare<(list: Pointer) => void>('void TF_DeleteDeviceList(void *list)'),
  sessionRun: declare<
    (
      session: Pointer,
      options: Pointer | null,
      inputs: Bytes,
      inputValues: Bytes,
      inputCount: number,
      outputs: Bytes,
      outputValues: Bytes,
      outputCount: number,
      targets: Bytes,
      targetCount: number,
      metadata: Pointer | null,
      s: Pointer,
    ) => void
  >(
    'void TF_SessionRun(void *session, void *options, const void *inputs, void *inputValues, int inputCount, ' +
      'const void *outputs, void *outputValues, int outputCount, const void *targets, int targetCount, ' +
      'void *metadata, void *s)',
  ),
};

/** What TensorFlow said when it refused a call. */
export class TensorFlowError extends LockstepError {
  constructor(
    /** TF_Code: 3 = invalid argument, 8 = resource exhausted, 10 = aborted, … */
    readonly status: number,
    message: string,
  ) {
    super('ENGINE', message);
  }
}

/**
 * Calls `f` with a status of its own (a shared one would mix up calls that run at the same time).
 * @throws TensorFlowError when the status is not OK.
 */
export function checked<T>(f: (status: Pointer) => T): T {
  const status = c.newStatus();
  try {
    const result = f(status);
    throwIfFailed(status);
    return result;
  } finally {
    c.deleteStatus(status);
  }
}

export function throwIfFailed(status: Pointer): void {
  const code = c.getCode(status);
  if (code !== 0) throw new TensorFlowError(code, c.message(status));
}

/** The bytes of a TF_Buffer, copied. */
export function bufferBytes(buffer: Pointer): Uint8Array {
  const { data, length } = koffi.decode(buffer, 'TF_Buffer') as { data: Pointer; length: number | bigint };
  return new Uint8Array(koffi.view(data, Number(length))).slice();
}

/**
 * A deallocator that leaves memory alone: called with (data, bytes, null), memcmp compares no bytes. TensorFlow's threads
 * call it, so it can't be JavaScript.
 */
export const keepMemory = koffi.load(null).symbol('memcmp') as Pointer;

/** Memory that belongs to TensorFlow, seen without a copy. */
export const memoryViews = new MemoryViews((data, bytes) => koffi.view(data, bytes));

const outputBytes = 16;

/** Packs TF_Output[] as the C API wants it. */
export function packOutputs(outputs: readonly OutputRef[]): Uint8Array {
  const packed = new Uint8Array(outputs.length * outputBytes);
  const view = new DataView(packed.buffer);
  outputs.forEach(({ oper, index }, i) => {
    view.setBigUint64(i * outputBytes, oper, true);
    view.setInt32(i * outputBytes + 8, index, true);
  });
  return packed;
}
