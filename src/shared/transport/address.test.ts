import { describe, expect, it } from 'vitest';
import { addressTowards, isLoopback, parseEndpoint, reachable } from './address.js';

describe('an endpoint', () => {
  it('has a host and a port', () => {
    expect(parseEndpoint('tcp://node1.cluster:5555')).toEqual({ host: 'node1.cluster', port: '5555' });
    expect(parseEndpoint('tcp://[::1]:*')).toEqual({ host: '[::1]', port: '*' });
    for (const wrong of ['10.0.0.1:5555', 'tcp://10.0.0.1', 'ipc:///tmp/x', 'tcp://a b:1']) {
      expect(() => parseEndpoint(wrong)).toThrow(/is no address/);
    }
  });

  it.each([
    ['127.0.0.1', true],
    ['127.9.8.7', true],
    ['localhost', true],
    ['[::1]', true],
    ['0.0.0.0', false],
    ['10.127.0.1', false],
    ['localhost.example', false],
  ])('at %s: is loopback %s', (host, expected) => expect(isLoopback(host)).toBe(expected));

  it('is reached where it is bound, or where the user says', () => {
    expect(reachable('tcp://10.0.0.1:5555')).toBe('tcp://10.0.0.1:5555');
    expect(reachable('tcp://0.0.0.0:5555', 'login1')).toBe('tcp://login1:5555');
  });

  it('on loopback is reached from loopback', async () => {
    expect(await addressTowards('tcp://127.0.0.1:5555')).toBe('127.0.0.1');
  });
});
