import { expect, it } from 'vitest';
import { encodeZ85 } from './z85.js';

it('writes the example of RFC 32', () => {
  expect(encodeZ85(Buffer.from([0x86, 0x4f, 0xd2, 0x6f, 0xb5, 0x59, 0xf7, 0x5b]))).toBe('HelloWorld');
});
