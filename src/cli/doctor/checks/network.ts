/** Addresses of this host, which of them others would be told, and whether a socket can listen there. */
import { lookup } from 'node:dns/promises';
import { createServer } from 'node:net';
import { hostname, type NetworkInterfaceInfo, networkInterfaces } from 'node:os';
import { LockstepError } from '../../../shared/errors.js';
import { isLoopback, parseEndpoint, reachable } from '../../../shared/transport/address.js';
import { about, type Finding } from '../finding.js';

const { ok, warning, failure } = about('network');

export type Interfaces = Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>;

/** Bridges and tunnels that software makes: no other host is behind them. */
const internal = /^(docker|br-|virbr|veth|cni|flannel|cali|lxc|podman|tun|tap|ifb|dummy)/;

export function interfacesFinding(interfaces: Interfaces, advertised: string | undefined): Finding {
  const addresses = Object.entries(interfaces).flatMap(([name, list]) =>
    (list ?? [])
      .filter((each) => !each.internal && !each.address.startsWith('fe80:'))
      .map(({ address }) => ({ name, address })),
  );
  const value = addresses.map(({ name, address }) => `${name} ${address}`).join(', ');
  const facts = { addresses, advertised: advertised ?? null };
  const first = addresses.find(({ address }) => address === advertised);
  if (first === undefined) {
    return warning(
      'interfaces',
      value || 'loopback only',
      'Other hosts reach nothing here: a run on several hosts needs a network.',
      facts,
    );
  }
  if (internal.test(first.name)) {
    return warning(
      'interfaces',
      `${value}; others would be told ${first.address} of ${first.name}`,
      "Give the coordinator --advertise, and workers --address, with an address of the hosts' network.",
      facts,
    );
  }
  return ok(
    'interfaces',
    addresses.length === 1 ? value : `${value}; others are told ${first.address}`,
    facts,
  );
}

/** A name that means loopback here, as Debian's 127.0.1.1, makes a worker tell others a loopback address. */
export function hostnameFinding(name: string, address: string | undefined): Finding {
  const facts = { hostname: name, address: address ?? null };
  if (address === undefined) {
    return warning(
      'host name',
      `${name} has no address`,
      'Use addresses, not this name, for --bind and --advertise.',
      facts,
    );
  }
  if (isLoopback(address)) {
    return warning(
      'host name',
      `${name} is ${address} here`,
      'Other hosts may see another address. Use the address of an interface for --bind and --advertise, not this name.',
      facts,
    );
  }
  return ok('host name', `${name}, ${address}`, facts);
}

export async function networkFindings(): Promise<Finding[]> {
  const advertised = advertisedAddress();
  const name = hostname();
  const found = await lookup(name).catch(() => undefined);
  return [
    interfacesFinding(networkInterfaces(), advertised),
    hostnameFinding(name, found?.address),
    await portsFinding(advertised === undefined ? ['127.0.0.1'] : ['127.0.0.1', advertised]),
  ];
}

function advertisedAddress(): string | undefined {
  try {
    return parseEndpoint(reachable('tcp://0.0.0.0:1')).host;
  } catch (error) {
    if (error instanceof LockstepError) return undefined;
    throw error;
  }
}

async function portsFinding(addresses: readonly string[]): Promise<Finding> {
  for (const address of addresses) {
    const error = await listenOnce(address);
    if (error !== undefined) {
      return failure(
        'ports',
        `nothing can listen at ${address}: ${error}`,
        'Is there a sandbox or a firewall? Workers listen at a free port each.',
      );
    }
  }
  return ok('ports', `free ones at ${addresses.join(' and ')}`, { addresses });
}

async function listenOnce(address: string): Promise<string | undefined> {
  return await new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error) => resolve(error.message));
    server.listen(0, address, () => server.close(() => resolve(undefined)));
  });
}
