/** Which of a host's addresses others reach it at. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { networkInterfaces } from 'node:os';
import { LockstepError } from '../errors.js';

interface Endpoint {
  readonly host: string;
  readonly port: string;
}

/** @throws LockstepError USAGE for what is no tcp://HOST:PORT */
export function parseEndpoint(endpoint: string): Endpoint {
  const found = /^tcp:\/\/(\[[0-9a-f:.]+\]|[^\s:/]+):(\d+|\*)$/i.exec(endpoint);
  if (found === null) {
    throw new LockstepError('USAGE', `'${endpoint}' is no address.`, {
      hint: 'Give tcp://HOST:PORT; where a socket listens, * is any free port.',
    });
  }
  return { host: found[1]!, port: found[2]! };
}

/** Whether no other host can reach it. */
export function isLoopback(host: string): boolean {
  return /^(localhost|127(\.\d+){3}|\[::1\])$/.test(host);
}

/**
 * The endpoint at which others reach a socket that listens at `bound`.
 * @param advertise the name or address to give them; by default the bound one, or this host's first if it is bound to all
 * @throws LockstepError USAGE when it is bound to all and the host has no other than loopback
 */
export function reachable(bound: string, advertise?: string): string {
  const { host, port } = parseEndpoint(bound);
  if (advertise !== undefined) return `tcp://${advertise}:${port}`;
  if (host !== '0.0.0.0' && host !== '[::]') return bound;
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  const first = addresses.find(({ family, internal }) => family === 'IPv4' && !internal);
  if (first === undefined) {
    throw new LockstepError('USAGE', `This host has no address at which others reach ${bound}.`, {
      hint: 'Give one with --advertise.',
    });
  }
  return `tcp://${first.address}:${port}`;
}

/**
 * The address of this host from which an endpoint is reached: peers that reach that endpoint's host reach it, too.
 * Nothing is sent.
 * @throws LockstepError TRANSPORT when there is no way to it
 */
export async function addressTowards(endpoint: string): Promise<string> {
  const { host, port } = parseEndpoint(endpoint);
  const name = host.replace(/^\[|\]$/g, '');
  const socket = createSocket(name.includes(':') ? 'udp6' : 'udp4');
  try {
    socket.connect(Number(port), name);
    await once(socket, 'connect');
    return socket.address().address;
  } catch (cause) {
    throw new LockstepError('TRANSPORT', `There is no way to ${endpoint}: ${(cause as Error).message}.`, {
      hint: 'Is it the right host? Give the address of this host that others reach with --address.',
      cause,
    });
  } finally {
    socket.close();
  }
}
