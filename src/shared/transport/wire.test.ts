import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { bulkHeaderSchema, decode, encode, maxHeaderBytes, peerMessageSchema } from './wire.js';

const header = {
  kind: 'contribution',
  generation: 1,
  ticket: 'secret',
  step: 2,
  from: 0,
  bucket: 3,
  node: [0, 4],
  start: 16,
  length: 48,
  type: 'bfloat16',
} as const;

describe('wire', () => {
  it('gives back what it encoded', () => {
    expect(decode(encode(header), bulkHeaderSchema)).toEqual(header);
    const inMemory = { ...header, at: { memory: 'sums', offset: 2 ** 33 } };
    expect(decode(encode(inMemory), peerMessageSchema)).toEqual(inMemory);
    const typed = { floats: Float32Array.of(1.5, -2), big: 2 ** 40, text: 'ä' };
    expect(decode(encode(typed), z.unknown())).toEqual(typed);
  });

  it.each([
    ['what is too long', Buffer.alloc(maxHeaderBytes + 1), /4097 bytes came where 4096 is the most/],
    ['an empty message', Buffer.alloc(0), /is not msgpack/],
    ['a message that is cut off', encode(header).subarray(0, 20), /is not msgpack/],
    ['bytes after the message', Buffer.concat([encode(header), Buffer.from([1])]), /is not msgpack/],
    ['an unknown key', encode({ ...header, more: 1 }), /does not fit the protocol: message/],
    ['a wrong type', encode({ ...header, step: -1 }), /does not fit the protocol: step/],
    ['a wrong kind', encode({ ...header, kind: 'gradient' }), /does not fit the protocol: kind/],
  ])('refuses %s', (_, bytes, message) => {
    expect(() => decode(bytes, peerMessageSchema, maxHeaderBytes)).toThrow(
      expect.objectContaining({ code: 'PROTOCOL', message: expect.stringMatching(message) }),
    );
  });
});
