import { describe, expect, it } from 'vitest';
import { admits } from './gate.js';
import { newKeyPair } from './join.js';

const token = newKeyPair();
const other = newKeyPair();
const bytes = (...texts: string[]) => texts.map((text) => Buffer.from(text));

describe('a gate on loopback', () => {
  const protection = { encrypted: false, token };
  it('admits the token', () => {
    const credentials = bytes(token.publicKey, token.secretKey);
    expect(admits(protection, { mechanism: 'PLAIN', credentials })).toBe(true);
  });
  it.each([
    ['another token', 'PLAIN', bytes(other.publicKey, other.secretKey)],
    ['half of the token', 'PLAIN', bytes(token.publicKey, other.secretKey)],
    ['the beginning of it', 'PLAIN', bytes(token.publicKey, token.secretKey.slice(0, 39))],
    ['nothing', 'PLAIN', []],
    ['no proof at all', 'NULL', []],
    ['another mechanism', 'CURVE', bytes(token.publicKey, token.secretKey)],
  ])('refuses %s', (_, mechanism, credentials) => {
    expect(admits(protection, { mechanism, credentials })).toBe(false);
  });
});

describe('a gate to the network', () => {
  it('refuses the password that is enough on loopback', () => {
    const credentials = bytes(token.publicKey, token.secretKey);
    expect(admits({ encrypted: true, token }, { mechanism: 'PLAIN', credentials })).toBe(false);
  });
});
