import { describe, expect, it } from 'vitest';
import { bytesField, doubleField, doublesField, floatField, integerField, messageField } from './protobuf.js';

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

describe('protobuf', () => {
  it("has the bytes of the format's own documentation", () => {
    // protobuf.dev, "Encoding": Test1 {a = 150}, Test2 {b = "testing"}, Test3 {c = Test1 {a = 150}}.
    expect(hex(integerField(1, 150))).toBe('089601');
    expect(hex(bytesField(2, 'testing'))).toBe('120774657374696e67');
    expect(hex(messageField(3, integerField(1, 150)))).toBe('1a03089601');
  });

  it('has numbers of every size, little-endian', () => {
    expect(hex(integerField(1, 0))).toBe('0800');
    expect(hex(integerField(16, 2 ** 53 - 1))).toBe('8001ffffffffffffff0f');
    expect(hex(floatField(2, 1))).toBe('150000803f');
    expect(hex(doubleField(1, 1))).toBe('09000000000000f03f');
    expect(hex(doublesField(6, [1, -2]))).toBe('3210000000000000f03f00000000000000c0');
    expect(hex(doublesField(6, []))).toBe('3200');
    expect(hex(floatField(2, Number.NaN))).toBe('150000c07f');
  });
});
