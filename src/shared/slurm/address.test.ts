import type { NetworkInterfaceInfo } from 'node:os';
import { describe, expect, it } from 'vitest';
import { addressIn, addressOfInterface } from './address.js';

const address = (family: 'IPv4' | 'IPv6', value: string) =>
  ({ family, address: value, internal: false }) as NetworkInterfaceInfo;

describe('the address of a node', () => {
  it('is loopback in a job of one node', async () => {
    const job = { nodes: ['node1'], node: 'node1', task: undefined, joinFile: '' };
    expect(await addressIn(job)).toBe('127.0.0.1');
  });

  it('needs a way to another node of the job', async () => {
    const job = { nodes: ['node1', 'node2.invalid'], node: 'node1', task: undefined, joinFile: '' };
    await expect(addressIn(job)).rejects.toThrow('node1 finds no way to node2.invalid');
  });

  it('is that of the interface that was named', () => {
    const interfaces = { eth0: [address('IPv6', 'fe80::1')], ib0: [address('IPv4', '10.1.0.7')] };
    expect(addressOfInterface('ib0', interfaces)).toBe('10.1.0.7');
    expect(() => addressOfInterface('eth0', interfaces)).toThrow("no interface 'eth0' with an IPv4 address");
    expect(() => addressOfInterface('ib1', interfaces)).toThrow("no interface 'ib1'");
  });
});
