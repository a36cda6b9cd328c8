/** The links between hosts: one doctor is the hub and writes a join file, the others join with it. */
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { newKeyPair, readJoinFile, removeJoinFile, writeJoinFile } from '../../../shared/security/join.js';
import { addressTowards, isLoopback, parseEndpoint, reachable } from '../../../shared/transport/address.js';
import type { HostReport } from '../host.js';
import { LinkHub, type LinkResult } from './hub.js';
import { NoWelcome, takePart } from './member.js';

export interface HubHostOptions {
  /** How many hosts there are, this one too. */
  readonly hosts: number;
  readonly bind: string;
  readonly advertise: string | undefined;
  /** Of this host, as others reach it; by default found from the way to the hub. */
  readonly address: string | undefined;
  readonly joinFile: string;
  /** How long to wait for the others. */
  readonly waitMs: number;
  /** Looks at this host. */
  readonly examine: () => Promise<HostReport>;
  readonly log: (message: string) => void;
}

/** How long this host's own part may take to join, and to look at it: TensorFlow has two minutes to answer. */
const [ownMs, examineMs] = [10_000, 180_000];

export interface HostsResult {
  readonly reports: readonly HostReport[];
  readonly links: readonly LinkResult[];
}

/** @throws LockstepError TRANSPORT when the address can't be bound, USAGE when others can't be told one */
export async function measureHosts(options: HubHostOptions): Promise<HostsResult> {
  const { bind, joinFile, hosts, waitMs, log } = options;
  const protection = { encrypted: !isLoopback(parseEndpoint(bind).host), token: newKeyPair() };
  const key = newKeyPair();
  // One that an earlier hub has left would lead others astray.
  removeJoinFile(joinFile);
  const hub = await LinkHub.bind({ bind, protection, key, log, onePerMachine: true });
  try {
    const endpoint = reachable(hub.endpoint, options.advertise);
    const join = { endpoint, coordinatorKey: key.publicKey, ...protection };
    await mkdir(dirname(joinFile), { recursive: true });
    await writeJoinFile(joinFile, join);
    log(`listens at ${endpoint}; on the other hosts: lockstep doctor --join ${joinFile}`);
    const address = options.address ?? (await addressTowards(endpoint));
    const own = takePart({ join, address, examine: options.examine, log, welcomeMs: ownMs });
    own.catch(() => {});
    // Somebody of this host; then those whom --wait is for.
    await hub.joined(1, examineMs);
    const all = await hub.joined(hosts, waitMs);
    if (!all) log(`only ${hub.reports.length} of ${hosts} hosts joined in ${waitMs / 1000} s`);
    const links = await hub.measureAll(true, (from, to) => log(`measures ${from} – ${to}`));
    const { reports } = hub;
    return { reports, links };
  } finally {
    removeJoinFile(joinFile);
    await hub.close();
  }
}

export interface JoinHostOptions {
  readonly file: string;
  readonly address: string | undefined;
  /** How long the join file may take to appear, and the hub to answer. */
  readonly waitMs: number;
  /** Looks at this host, once it is known to take part. */
  readonly examine: () => Promise<HostReport>;
  readonly log: (message: string) => void;
}

/** A join file whose hub does not answer may be one that a killed hub has left; the next hub writes another. */
const welcomeMs = 10_000;
const lookMs = 250;

/**
 * Takes part in a doctor on several hosts.
 * @returns whether this host was measured, and not another process of it
 * @throws LockstepError when there is no hub in time, or it is lost
 */
export async function joinHosts({ file, address, waitMs, examine, log }: JoinHostOptions): Promise<boolean> {
  const until = performance.now() + waitMs;
  for (;;) {
    // Jobs start their processes all at once: the hub may still have to write it.
    while (!existsSync(file) && performance.now() < until) await pause(lookMs);
    const join = readJoinFile(file);
    try {
      const own = address ?? (await addressTowards(join.endpoint));
      return await takePart({ join, address: own, examine, log, welcomeMs });
    } catch (error) {
      if (!(error instanceof NoWelcome) || performance.now() > until) throw error;
      log(`${error.message} It is tried again.`);
    }
  }
}
