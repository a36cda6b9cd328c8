import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { TensorSpec } from './safetensors.js';
import { TensorFile, TensorFileWriter } from './tensor-file.js';

/** Written by Python's safetensors 0.8.0: n, a, i, u with the metadata k: v. */
const FROM_PYTHON = Buffer.from(
  '+AAAAAAAAAB7Il9fbWV0YWRhdGFfXyI6eyJrIjoidiJ9LCJuIjp7ImR0eXBlIjoiSTY0Iiwic2hhcGUiOlsxXSwiZGF0YV9vZmZzZXRz' +
    'IjpbMCw4XX0sImEiOnsiZHR5cGUiOiJGMzIiLCJzaGFwZSI6WzEsMl0sImRhdGFfb2Zmc2V0cyI6WzgsMTZdfSwiaSI6eyJkdHlwZSI6' +
    'IkkzMiIsInNoYXBlIjpbMl0sImRhdGFfb2Zmc2V0cyI6WzE2LDI0XX0sInUiOnsiZHR5cGUiOiJVOCIsInNoYXBlIjpbM10sImRhdGFf' +
    'b2Zmc2V0cyI6WzI0LDI3XX19ICAgIAcAAAAAAAAAAADAPwAAAMD/////AgAAAAEC/w==',
  'base64',
);
const SPECS: TensorSpec[] = [
  { name: 'n', dtype: 'I64', shape: [1] },
  { name: 'a', dtype: 'F32', shape: [1, 2] },
  { name: 'i', dtype: 'I32', shape: [2] },
  { name: 'u', dtype: 'U8', shape: [3] },
];
const VALUES = [
  new BigInt64Array([7n]),
  new Float32Array([1.5, -2]),
  new Int32Array([-1, 2]),
  new Uint8Array([1, 2, 255]),
];
const bytesOf = (view: ArrayBufferView) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength);

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lockstep-tensors-'));
  path = join(folder, 'x.safetensors');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function reading<T>(bytes: Uint8Array, use: (file: TensorFile) => Promise<T>): Promise<T> {
  await writeFile(path, bytes);
  const file = await TensorFile.open(path);
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

/** A file with this header and that many bytes of data. */
function fileOf(header: unknown, dataBytes: number): Buffer {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, Buffer.alloc(dataBytes)]);
}
const entry = (begin: number, end: number, shape = [(end - begin) / 4], dtype = 'F32') => ({
  dtype,
  shape,
  data_offsets: [begin, end],
});

describe('writing', () => {
  it('gives the same bytes as the reference implementation', async () => {
    const writer = await TensorFileWriter.create(path, SPECS, { k: 'v' });
    for (const [index, spec] of SPECS.entries()) await writer.append(spec.name, bytesOf(VALUES[index]!));
    const digest = await writer.finish();
    expect(await readFile(path)).toEqual(FROM_PYTHON);
    expect(digest.bytes).toBe(FROM_PYTHON.length);
    expect(digest.sha256).toBe(createHash('sha256').update(FROM_PYTHON).digest('hex'));
    expect(digest.tensors[3]).toEqual({
      ...SPECS[3],
      sha256: createHash('sha256').update(VALUES[3]!).digest('hex'),
    });
  });

  it('takes a tensor in pieces, and one without elements', async () => {
    const specs: TensorSpec[] = [
      { name: 'none', dtype: 'F32', shape: [0, 3] },
      { name: 'scalar', dtype: 'F32', shape: [] },
      { name: 'end', dtype: 'F32', shape: [0] },
    ];
    const writer = await TensorFileWriter.create(path, specs);
    const bytes = bytesOf(new Float32Array([0.25]));
    await writer.append('scalar', bytes.subarray(0, 1));
    await writer.append('scalar', bytes.subarray(1));
    await writer.finish();
    const file = await TensorFile.open(path);
    expect(new Float32Array((await file.read('scalar')).buffer)).toEqual(new Float32Array([0.25]));
    expect((await file.read('none')).byteLength).toBe(0);
    await file.close();
  });

  it('refuses a tensor out of turn, too many bytes, too few, and one that is missing', async () => {
    const specs = SPECS.slice(1, 3);
    const writer = await TensorFileWriter.create(path, specs);
    await expect(writer.append('i', new Uint8Array(8))).rejects.toThrow('got tensor "i", expected "a"');
    await expect(writer.append('a', new Uint8Array(9))).rejects.toThrow('has 8 bytes, got 9');
    await writer.append('a', new Uint8Array(7));
    await expect(writer.finish()).rejects.toThrow('"a" never arrived in full');
    await writer.append('a', new Uint8Array(1));
    await writer.append('i', new Uint8Array(8));
    await expect(writer.append('i', new Uint8Array(1))).rejects.toThrow('expected no further tensor');
    await writer.finish();
  });

  it('refuses names that come twice and data that would be misaligned', async () => {
    const twice = [SPECS[1]!, SPECS[1]!];
    await expect(TensorFileWriter.create(path, twice)).rejects.toThrow('two tensors named "a"');
    const narrowFirst = [SPECS[3]!, SPECS[1]!];
    await expect(TensorFileWriter.create(path, narrowFirst)).rejects.toThrow('would start at byte 3');
  });
});

describe('reading', () => {
  it('reads what the reference implementation wrote', async () => {
    await reading(FROM_PYTHON, async (file) => {
      expect(file.metadata).toEqual({ k: 'v' });
      expect(file.tensors.map(({ name, dtype, shape }) => ({ name, dtype, shape }))).toEqual(SPECS);
      for (const [index, spec] of SPECS.entries()) {
        expect(await file.read(spec.name)).toEqual(Buffer.from(bytesOf(VALUES[index]!)));
      }
      await expect(file.read('zz')).rejects.toThrow(`${path} has no tensor "zz"`);
      expect(await file.sha256()).toBe(createHash('sha256').update(FROM_PYTHON).digest('hex'));
    });
  });

  const wrongFiles: Record<string, [bytes: Uint8Array, message: RegExp]> = {
    'an empty file': [Buffer.alloc(0), /damaged at byte 0: the file ends before the length/],
    'a header cut off': [FROM_PYTHON.subarray(0, 100), /damaged at byte 0: a header of 248 bytes/],
    'a header without end': [Buffer.alloc(16, 0xff), /damaged at byte 0: a header of/],
    'data cut off': [FROM_PYTHON.subarray(0, -1), /damaged at byte 282: the file is cut off/],
    'bytes too many': [
      Buffer.concat([FROM_PYTHON, Buffer.alloc(2)]),
      /byte 283: there are bytes that belong/,
    ],
    'no JSON': [fileOf('{"a":', 0), /damaged at byte 8: the header is no JSON/],
    'a list': [fileOf([], 0), /byte 8: the header is no JSON object/],
    'an overlap': [fileOf({ a: entry(0, 8), b: entry(4, 12) }, 12), /tensor "b" overlaps the one before it/],
    'a gap': [fileOf({ a: entry(0, 4), b: entry(8, 12) }, 12), /tensor "b" leaves a gap/],
    'a shape of another size': [
      fileOf({ a: entry(0, 8, [3]) }, 8),
      /tensor "a" of shape \[3\].* needs 12 bytes/,
    ],
    'a negative extent': [fileOf({ a: entry(0, 8, [-1, -2]) }, 8), /tensor "a" has a shape that is no list/],
    'a type unknown': [
      fileOf({ a: entry(0, 8, [1], 'C64') }, 8),
      /tensor "a" has the type "C64"; readable are/,
    ],
    'no offsets': [fileOf({ a: { dtype: 'F32', shape: [1] } }, 4), /tensor "a" has no pair of data offsets/],
    'metadata of numbers': [fileOf({ __metadata__: { a: 1 } }, 0), /must map names to strings/],
  };
  for (const [what, [bytes, message]] of Object.entries(wrongFiles)) {
    it(`refuses ${what}, naming the file and the byte`, async () => {
      const error = await reading(bytes, async () => undefined).catch((caught: unknown) => caught);
      expect(error).toMatchObject({ code: 'CHECKPOINT', message: expect.stringMatching(message) });
      expect((error as Error).message).toContain(`${path} is damaged at byte`);
    });
  }

  it('says which file is missing', async () => {
    await expect(TensorFile.open(path)).rejects.toMatchObject({
      code: 'CHECKPOINT',
      message: expect.stringContaining(path),
    });
  });
});
