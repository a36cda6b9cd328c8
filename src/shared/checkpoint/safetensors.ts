/** The safetensors file layout: which bytes of a file are which tensor, and the rules that a file must keep. */
import { LockstepError } from '../errors.js';

/** All of them can be read; checkpoints have the first four. */
export const DTYPES = [
  ...(['F32', 'I32', 'I64', 'U8'] as const),
  ...(['F64', 'F16', 'BF16', 'U64', 'U32', 'U16', 'I16', 'I8', 'BOOL'] as const),
] as const;
export type Dtype = (typeof DTYPES)[number];

/** A tensor as a file announces it. An empty shape is a scalar. */
export interface TensorSpec {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
}

/** A tensor's place: `begin` and `end` are byte offsets from the start of the file's data. */
export interface PlacedTensor extends TensorSpec {
  readonly begin: number;
  readonly end: number;
}

export type Metadata = Readonly<Record<string, string>>;

/** Bytes before the header: its length as a little-endian u64. */
export const LENGTH_BYTES = 8;
/** The limit of the reference implementation: a longer header is a broken or hostile file. */
export const MAX_HEADER_BYTES = 100_000_000;

const ITEM_BYTES: Readonly<Record<Dtype, number>> = {
  ...{ F64: 8, I64: 8, U64: 8, F32: 4, I32: 4, U32: 4 },
  ...{ F16: 2, BF16: 2, U16: 2, I16: 2, U8: 1, I8: 1, BOOL: 1 },
};

/** The size of a tensor's data in bytes. */
export function byteLength(spec: Pick<TensorSpec, 'dtype' | 'shape'>): number {
  return spec.shape.reduce((product, extent) => product * extent, ITEM_BYTES[spec.dtype]);
}

/** Places tensors one after the other, in the order given. Throws if a name comes twice or data would be misaligned. */
export function place(specs: readonly TensorSpec[]): PlacedTensor[] {
  const names = new Set<string>();
  let begin = 0;
  return specs.map((spec) => {
    if (names.has(spec.name) || spec.name === '__metadata__') {
      throw new LockstepError('CHECKPOINT', `A checkpoint can't hold two tensors named "${spec.name}".`);
    }
    if (begin % ITEM_BYTES[spec.dtype] !== 0) {
      throw new LockstepError(
        'CHECKPOINT',
        `Tensor "${spec.name}" (${spec.dtype}) would start at byte ${begin}, which its type can't be read from.`,
        { hint: 'Put tensors of wider types first.' },
      );
    }
    names.add(spec.name);
    const placed = { ...spec, begin, end: begin + byteLength(spec) };
    begin = placed.end;
    return placed;
  });
}

/** The first bytes of a file: length and JSON, padded by spaces so that the data starts at a multiple of 8. */
export function encodeHeader(tensors: readonly PlacedTensor[], metadata: Metadata = {}): Uint8Array {
  const entries = tensors.map(
    ({ name, dtype, shape, begin, end }) => [name, { dtype, shape, data_offsets: [begin, end] }] as const,
  );
  const header = Object.keys(metadata).length === 0 ? entries : [['__metadata__', metadata], ...entries];
  const json = Buffer.from(JSON.stringify(Object.fromEntries(header)));
  const padded = Math.ceil(json.length / 8) * 8;
  const bytes = Buffer.alloc(LENGTH_BYTES + padded, ' ');
  bytes.writeBigUInt64LE(BigInt(padded), 0);
  json.copy(bytes, LENGTH_BYTES);
  return bytes;
}

export interface Header {
  /** In the order of their data. */
  readonly tensors: readonly PlacedTensor[];
  readonly metadata: Metadata;
}

/** Reads a header's JSON and checks that the tensors fill `dataBytes` without a gap or an overlap. `file` is for the error. */
export function decodeHeader(json: Uint8Array, dataBytes: number, file: string): Header {
  const dataStart = LENGTH_BYTES + json.byteLength;
  const entries = parseObject(json, file);
  const { __metadata__: metadata = {}, ...announced } = entries;
  if (!isRecord(metadata) || !Object.values(metadata).every((value) => typeof value === 'string')) {
    throw damaged(file, LENGTH_BYTES, '"__metadata__" must map names to strings');
  }
  const tensors = Object.entries(announced)
    .map(([name, entry]) => readEntry(name, entry, file))
    .sort((a, b) => a.begin - b.begin || a.end - b.end);
  let expected = 0;
  for (const { name, begin, end } of tensors) {
    if (begin !== expected) {
      const what = begin > expected ? 'leaves a gap before it' : 'overlaps the one before it';
      throw damaged(
        file,
        dataStart + Math.min(begin, expected),
        `tensor "${name}" ${what} (data ${begin}..${end}, expected to begin at ${expected})`,
      );
    }
    expected = end;
  }
  if (expected !== dataBytes) {
    const what = expected > dataBytes ? 'the file is cut off' : 'there are bytes that belong to no tensor';
    throw damaged(
      file,
      dataStart + Math.min(expected, dataBytes),
      `${what} (tensors need ${expected} bytes of data, the file has ${dataBytes})`,
    );
  }
  return { tensors, metadata: metadata as Metadata };
}

/** The error for a file that breaks the format: names the file and the byte where it does. */
export function damaged(file: string, offset: number, what: string): LockstepError {
  return new LockstepError('CHECKPOINT', `${file} is damaged at byte ${offset}: ${what}.`, {
    hint: 'Use another checkpoint, or copy this one again from where it came.',
  });
}

function parseObject(json: Uint8Array, file: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(json));
  } catch (error) {
    throw damaged(file, LENGTH_BYTES, `the header is no JSON (${(error as Error).message})`);
  }
  if (!isRecord(value)) throw damaged(file, LENGTH_BYTES, 'the header is no JSON object');
  return value;
}

function readEntry(name: string, entry: unknown, file: string): PlacedTensor {
  const wrong = (what: string) => damaged(file, LENGTH_BYTES, `tensor "${name}" ${what}`);
  if (!isRecord(entry)) throw wrong('has no description');
  const { dtype, shape, data_offsets: offsets } = entry;
  if (!isDtype(dtype)) {
    throw wrong(`has the type ${JSON.stringify(dtype)}; readable are ${DTYPES.join(', ')}`);
  }
  if (!isCounts(shape)) throw wrong('has a shape that is no list of counts');
  if (!isCounts(offsets) || offsets.length !== 2) throw wrong('has no pair of data offsets');
  const [begin, end] = offsets as [number, number];
  const bytes = byteLength({ dtype, shape });
  if (end - begin !== bytes) {
    throw wrong(`of shape [${shape}] and type ${dtype} needs ${bytes} bytes, its data is ${begin}..${end}`);
  }
  return { name, dtype, shape, begin, end };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isDtype(value: unknown): value is Dtype {
  return DTYPES.includes(value as Dtype);
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0);
}
