/** The bytes are those that TensorBoard's own writer (PyPI tensorboard 2.21, Python protobuf) gives for the same events. */
import { describe, expect, it } from 'vitest';
import { crc32, crc32c, maskedCrc32c } from './crc.js';
import { fileVersion, histogram, scalar, sessionStart, summary, text } from './event.js';
import { record } from './record.js';

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const moment = { wallTime: 1.5, step: 300 };

describe('checksums', () => {
  it('CRC-32C has the values of RFC 3720, and the check value', () => {
    expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
    expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43);
    expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i))).toBe(0x46dd794e);
    expect(crc32c(new Uint8Array(0))).toBe(0);
  });

  it('CRC-32C is masked in files', () => {
    expect(maskedCrc32c(Buffer.from('123456789'))).toBe(0xc78ab0e5);
  });

  it('CRC-32 has the check value, and that of an empty PNG end', () => {
    expect(crc32(Buffer.from('123456789'))).toBe(0xcbf43926);
    expect(crc32(Buffer.from('IEND'))).toBe(0xae426082);
  });
});

describe('an event', () => {
  it('is framed with its length and checksums', () => {
    expect(hex(record(fileVersion(1.5)))).toBe(
      '1800000000000000a37f4b2209000000000000f83f1a0d627261696e2e4576656e743a322a28646c',
    );
  });

  it('of each kind is what TensorBoard writes', () => {
    expect(hex(sessionStart(moment))).toBe('09000000000000f83f10ac023a020801');
    expect(hex(summary(moment, [scalar('a/b', 0.25)]))).toBe(
      '09000000000000f83f10ac022a0c0a0a0a03612f62150000803e',
    );
    expect(hex(summary(moment, [text('t', '*hi*')]))).toBe(
      '09000000000000f83f10ac022a1f0a1d0a0174420e080712041202080142042a68692a4a080a060a0474657874',
    );
    const pair = { min: -1, max: 2, count: 2, sum: 1, sumSquares: 5, limits: [0.5, 2], counts: [1, 1] };
    expect(hex(histogram('h', pair))).toBe(
      // A field of a summary, so its tag and length come first.
      '0a560a01682a5109000000000000f0bf11000000000000004019000000000000004021000000000000f03f2900000000000014403210000000000000e03f00000000000000403a10000000000000f03f000000000000f03f',
    );
  });
});
