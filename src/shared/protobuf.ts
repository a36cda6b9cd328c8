/** The wire format of Protocol Buffers, as much of it as Lockstep writes: fields by number, messages in messages. */

const VARINT = 0;
const FIXED64 = 1;
const LENGTH_DELIMITED = 2;
const FIXED32 = 5;

function varint(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...bytes, rest];
    bytes.push((rest % 128) + 128);
  }
}

function tag(field: number, wireType: number): number[] {
  return varint(field * 8 + wireType);
}

/** For int32, int64, bool and enum. `value` is a whole number from 0 to 2^53−1. */
export function integerField(field: number, value: number): Buffer {
  return Buffer.from([...tag(field, VARINT), ...varint(value)]);
}

export function floatField(field: number, value: number): Buffer {
  const body = Buffer.alloc(4);
  body.writeFloatLE(value);
  return Buffer.concat([Buffer.from(tag(field, FIXED32)), body]);
}

export function doubleField(field: number, value: number): Buffer {
  return Buffer.concat([Buffer.from(tag(field, FIXED64)), doubles([value])]);
}

/** `repeated double`, packed. */
export function doublesField(field: number, values: readonly number[]): Buffer {
  return bytesField(field, doubles(values));
}

/** For string (UTF-8) and bytes. */
export function bytesField(field: number, value: string | Uint8Array): Buffer {
  const body = Buffer.from(value);
  return Buffer.concat([Buffer.from([...tag(field, LENGTH_DELIMITED), ...varint(body.length)]), body]);
}

export function messageField(field: number, ...fields: readonly Uint8Array[]): Buffer {
  return bytesField(field, Buffer.concat(fields));
}

function doubles(values: readonly number[]): Buffer {
  const body = Buffer.alloc(8 * values.length);
  for (const [i, value] of values.entries()) body.writeDoubleLE(value, 8 * i);
  return body;
}
