/** At which address the nodes of a job reach this one. */
import { networkInterfaces } from 'node:os';
import { LockstepError } from '../errors.js';
import { addressTowards } from '../transport/address.js';
import type { SlurmJob } from './job.js';

/**
 * The address from which the way to another node of the job goes: a node's own name often means an address that only it
 * can use (Debian's 127.0.1.1). Loopback for a job of one node.
 * @throws LockstepError TRANSPORT when there is no way to another node
 */
export async function addressIn({ nodes, node }: SlurmJob): Promise<string> {
  const other = nodes.find((name) => name !== node);
  if (other === undefined) return '127.0.0.1';
  try {
    // Nothing is sent, so any port will do.
    return await addressTowards(`tcp://${other}:9`);
  } catch (cause) {
    throw new LockstepError('TRANSPORT', `${node} finds no way to ${other}, which is in the same job.`, {
      hint: 'Name the network interface between the nodes with --interface.',
      cause,
    });
  }
}

/** @throws LockstepError USAGE when there is no such interface, or it has no address */
export function addressOfInterface(name: string, interfaces = networkInterfaces()): string {
  const found = interfaces[name]?.find(({ family }) => family === 'IPv4');
  if (found !== undefined) return found.address;
  throw new LockstepError('USAGE', `This host has no interface '${name}' with an IPv4 address.`, {
    hint: `It has ${Object.keys(interfaces).join(', ')}.`,
  });
}
