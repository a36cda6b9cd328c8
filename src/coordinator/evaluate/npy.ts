/** NumPy's .npy format, version 1.0 (numpy/lib/format.py), of float32 rows. */
import { open } from 'node:fs/promises';
import type { Rows } from './rows.js';

/** The header is padded so that the data begins at a multiple of this. */
const alignment = 64;

/** What comes before the little-endian values: magic, version, length, and a Python literal that ends in a newline. */
export function npyHeader(shape: readonly number[]): Uint8Array {
  const start = 10;
  const literal = `{'descr': '<f4', 'fortran_order': False, 'shape': (${shape.join(', ')}), }`;
  const length = Math.ceil((start + literal.length + 1) / alignment) * alignment - start;
  const header = Buffer.alloc(start + length, ' ');
  header.write('\x93NUMPY\x01\x00', 'latin1');
  header.writeUInt16LE(length, 8);
  header.write(literal, start, 'latin1');
  header.write('\n', start + length - 1, 'latin1');
  return header;
}

export async function writeNpy(path: string, { values, width }: Rows): Promise<void> {
  const file = await open(path, 'w');
  try {
    await file.writeFile(npyHeader([values.length / width, width]));
    await file.writeFile(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  } finally {
    await file.close();
  }
}
