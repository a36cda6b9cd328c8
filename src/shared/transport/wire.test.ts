import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { bulkSchema, decode, encode, maxHeaderBytes, mostParts, peerMessageSchema } from './wire.js';

const part = {
  kind: 'contribution',
  step: 2,
  bucket: 3,
  node: [0, 4],
  start: 16,
  length: 48,
  type: 'bfloat16',
} as const;
const inMemory = { ...part, at: { memory: 'sums', offset: 2 ** 33 } } as const;
const message = { kind: 'bulk', generation: 1, ticket: 'secret', from: 0, parts: [part] } as const;

describe('wire', () => {
  it('gives back what it encoded', () => {
    expect(decode(encode(message), bulkSchema)).toEqual(message);
    const parts = Array.from({ length: mostParts }, () => ({ ...inMemory, squares: new Uint8Array(2048) }));
    const full = encode({ ...message, parts });
    expect(decode(full, peerMessageSchema, maxHeaderBytes)).toMatchObject({ parts: { length: mostParts } });
    const typed = { floats: Float32Array.of(1.5, -2), big: 2 ** 40, text: 'ä' };
    expect(decode(encode(typed), z.unknown())).toEqual(typed);
  });

  it.each([
    ['what is too long', Buffer.alloc(maxHeaderBytes + 1), /262145 bytes came where 262144 is the most/],
    ['an empty message', Buffer.alloc(0), /is not msgpack/],
    ['a message that is cut off', encode(message).subarray(0, 20), /is not msgpack/],
    ['bytes after the message', Buffer.concat([encode(message), Buffer.from([1])]), /is not msgpack/],
    ['an unknown key', encode({ ...message, more: 1 }), /does not fit the protocol: message/],
    ['a wrong type', encode({ ...message, parts: [{ ...part, step: -1 }] }), /protocol: parts.0.step/],
    ['no parts', encode({ ...message, parts: [] }), /does not fit the protocol: parts/],
    ['frames of two parts', encode({ ...message, parts: [inMemory, part] }), /parts: frames belong to one/],
    ['a wrong kind', encode({ ...message, kind: 'gradient' }), /does not fit the protocol: kind/],
  ])('refuses %s', (_, bytes, reason) => {
    expect(() => decode(bytes, peerMessageSchema, maxHeaderBytes)).toThrow(
      expect.objectContaining({ code: 'PROTOCOL', message: expect.stringMatching(reason) }),
    );
  });
});
