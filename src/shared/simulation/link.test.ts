import { describe, expect, it } from 'vitest';
import { parseLink, Switch } from './link.js';

describe('a simulated link', () => {
  it('is given as rate and delay', () => {
    expect(parseLink('10gbit,0.05ms')).toEqual({ bytesPerSecond: 1.25e9, delayMs: 0.05 });
    expect(parseLink('100Mbit,2ms')).toEqual({ bytesPerSecond: 1.25e7, delayMs: 2 });
    for (const text of ['', '10', '10gbit', '0gbit,1ms', '10gbit,1s']) {
      expect(() => parseLink(text)).toThrow(/is no link/);
    }
  });

  // 1 MB/s: a thousand bytes take 1 ms.
  const network = () => new Switch({ bytesPerSecond: 1e6, delayMs: 5 });

  it('takes delay and length', () => {
    expect(network().pass(0, 1, 1000, 100)).toBe(106);
  });

  it('serves what one worker sends in turn, to whomever', () => {
    const wire = network();
    expect(wire.pass(0, 1, 1000, 0)).toBe(6);
    expect(wire.pass(0, 2, 2000, 0)).toBe(8);
  });

  it('serves what one worker receives in turn, from whomever', () => {
    const wire = network();
    expect(wire.pass(1, 0, 1000, 0)).toBe(6);
    expect(wire.pass(2, 0, 1000, 0)).toBe(7);
  });

  it('sends and receives at once', () => {
    const wire = network();
    expect(wire.pass(0, 1, 1000, 0)).toBe(6);
    expect(wire.pass(1, 0, 1000, 0)).toBe(6);
  });
});
