import { describe, expect, it } from 'vitest';
import { parseLink } from './link.js';

describe('a simulated link', () => {
  it('is given as rate and delay', () => {
    expect(parseLink('10gbit,0.05ms')).toEqual({ bytesPerSecond: 1.25e9, delayMs: 0.05 });
    expect(parseLink('100Mbit,2ms')).toEqual({ bytesPerSecond: 1.25e7, delayMs: 2 });
    for (const text of ['', '10', '10gbit', '0gbit,1ms', '10gbit,1s']) {
      expect(() => parseLink(text)).toThrow(/is no link/);
    }
  });
});
