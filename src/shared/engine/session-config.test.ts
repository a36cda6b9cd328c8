import { expect, test } from 'vitest';
import { configProto } from './session-config.js';

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

test('a precision is a pass of Grappler', () => {
  // rewriter_config.proto: field 31 is 0xf801, field 23 is 0xb801, each with the value ON = 1.
  expect(hex(configProto({ precision: 'bfloat16', device: 'cpu' }))).toContain('f80101');
  expect(hex(configProto({ precision: 'float16', device: 'gpu' }))).toContain('b80101');
  for (const device of ['cpu', 'gpu'] as const) {
    expect(hex(configProto({ precision: 'float32', device }))).not.toMatch(/[fb]80101/);
  }
});

test('Grappler is off where there is nothing for it to do: in float32 on a CPU', () => {
  const off = '980101'; // field 19
  expect(hex(configProto({ precision: 'float32', device: 'cpu' }))).toContain(off);
  expect(hex(configProto({ precision: 'float32', device: 'gpu' }))).not.toContain(off);
  expect(hex(configProto({ precision: 'bfloat16', device: 'cpu' }))).not.toContain(off);
});

test('Grappler goes through a graph once for mixed precision on a CPU', () => {
  const once = '6001'; // field 12, ONE = 1
  expect(hex(configProto({ precision: 'bfloat16', device: 'cpu' }))).toContain(once);
  expect(hex(configProto({ precision: 'float16', device: 'gpu' }))).not.toContain(once);
});

test('one that the device does not have is an error that names another', () => {
  expect(() => configProto({ precision: 'float16', device: 'cpu' })).toThrow('precision float16 needs a GPU');
  expect(() => configProto({ precision: 'bfloat16', device: 'gpu' })).toThrow(
    'precision bfloat16 needs a CPU',
  );
});
