/** The bytes are those that TensorBoard's own writer (PyPI tensorboard 2.21, Python protobuf) gives for the same events. */
import { describe, expect, it } from 'vitest';
import type { RunRecord } from '../run-folder.js';
import { crc32, crc32c, maskedCrc32c } from './crc.js';
import { fileVersion, histogram, scalar, sessionStart, summary, text } from './event.js';
import { hyperparameters, sessionEnded, sessionStarted } from './hparams.js';
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

describe('hyper-parameters', () => {
  const start: Omit<RunRecord, 'config'> = {
    ...{ format: 1, name: 'n', configDigest: '', seed: 0, commandLine: [], topology: {}, versions: {} },
    ...{ startedAt: '1970-01-01T00:00:01.500Z', resumed: [] },
  };

  it('are those of the config, by stage, but for how the run is done', () => {
    const config = {
      ...{ name: 'n', seed: 3, checkpoint: { keep: 1 }, data: { limit: {} } },
      model: { encoder: 'tiny', classifier: { hidden: [16, 8], dropout: null }, pretrained: false },
      stages: [
        { name: 'a', epochs: 2, optimizer: { kind: 'sgd' } },
        { name: 'b', epochs: 1 },
      ],
    };
    expect(hyperparameters(config)).toEqual([
      ['seed', 3],
      ['model.encoder', 'tiny'],
      ['model.classifier.hidden', '[16,8]'],
      ['model.pretrained', false],
      ['a.epochs', 2],
      ['a.optimizer.kind', 'sgd'],
      ['b.epochs', 1],
    ]);
  });

  it('are the bytes that TensorBoard writes', () => {
    expect(hex(sessionStarted({ ...start, config: { seed: 0 } }))).toBe(
      '0a530a1c5f68706172616d735f2f73657373696f6e5f73746172745f696e666f42060801120212004a2b0a290a0768706172616d73121e1a1c0a110a0473656564120911000000000000000029000000000000f83f',
    );
    // The map's entry of each kind of value, in a session that began at 1.5 s.
    for (const [value, entry] of [
      ['a', '0a080a016b12031a0161'],
      [true, '0a070a016b12022001'],
      [false, '0a070a016b12022000'],
      [0.25, '0a0e0a016b120911000000000000d03f'],
    ] as const) {
      expect(hex(sessionStarted({ ...start, config: { k: value } }))).toContain(`${entry}29000000000000f83f`);
    }
    const [end, ...more] = sessionEnded({ stages: [], accuracy: null, seconds: 1, weightsDigest: '' }, 2.5);
    expect(more).toEqual([]);
    expect(hex(end!)).toBe(
      '0a400a1a5f68706172616d735f2f73657373696f6e5f656e645f696e666f42060801120212004a1a0a180a0768706172616d73120d220b0801110000000000000440',
    );
  });
});
