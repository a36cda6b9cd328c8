/** From what was measured of a link to a finding, and to the numbers in the report. */
import { fitLink, type LinkModel } from '../../../shared/plan/link-model.js';
import { about, type Finding } from '../finding.js';
import { bytes, milliseconds } from '../quantity.js';
import type { LinkResult } from './hub.js';
import type { Measurement } from './measurement.js';

const { ok, warning, failure } = about('links');

/** Gigabit Ethernet: the 94 MB of ResNet-50's gradients then take nearly a second there and back. */
const slowBytesPerSecond = 150e6;
/** BatchNorm over the global batch has 106 exchanges a step. */
const slowLatencyMs = 1;
/** Hosts that keep time by NTP differ by less. Lockstep compares no clocks, but logs and dates of files do. */
const skewedMs = 20;

/** A link in the report. */
export interface LinkReport extends Partial<Measurement> {
  readonly from: string;
  readonly to: string;
  readonly encrypted: boolean;
  readonly sameMachine: boolean;
  /** t(n) = latency + n / bandwidth over `points`; null where the points do not give one. */
  readonly fit: LinkModel | null;
  /** Why nothing was measured. */
  readonly problem?: string;
}

export function linkReport({
  from,
  to,
  encrypted,
  sameMachine,
  measurement,
  problem,
}: LinkResult): LinkReport {
  return {
    from,
    to,
    encrypted,
    sameMachine,
    ...measurement,
    fit: (measurement && fitLink(measurement.points)) ?? null,
    ...(problem === undefined ? {} : { problem }),
  };
}

export function linkFinding(link: LinkReport): Finding {
  const { from, to, encrypted, sameMachine, path, latencyMs, oneWayBytesPerSecond, bothWaysBytesPerSecond } =
    link;
  const way = path === 'shared memory' ? path : `TCP${encrypted ? ', encrypted' : ''}`;
  const name = sameMachine && from === to ? way : `${from} – ${to}`;
  if (latencyMs === undefined || oneWayBytesPerSecond === undefined || bothWaysBytesPerSecond === undefined) {
    return failure(
      name,
      `no link: ${link.problem}`,
      'Hosts must reach each other on any port (a firewall?); --address names the address of this host that others reach.',
    );
  }
  const { median, p99 } = latencyMs;
  const value = `${median.toFixed(3)} ms (99 %: ${p99.toFixed(3)}), ${bytes(oneWayBytesPerSecond)}/s, ${bytes(bothWaysBytesPerSecond)}/s each way at once${name === way ? '' : `; ${way}`}`;
  const advice = [
    median > slowLatencyMs &&
      'Messages are slow: is this the fast network, and is a core free? Other hosts, or --address with an address of the fast network.',
    bothWaysBytesPerSecond < slowBytesPerSecond &&
      `${bytes(94e6)} of ResNet-50's gradients take ${milliseconds((94e6 / bothWaysBytesPerSecond) * 1000)} a step. Is it the network (then take hosts on a faster one) or${encrypted ? ' encryption, which a processor core does, or' : ''} a busy processor? \`lockstep doctor\` on one host says what it can do alone.`,
  ].filter((text) => text !== false);
  return advice.length > 0 ? warning(name, value, advice.join(' ')) : ok(name, value);
}

/** Between hosts: how far their clocks differ. */
export function skewFinding({ from, to, skewMs, skewUncertaintyMs, sameMachine }: LinkReport): Finding[] {
  if (sameMachine || skewMs === undefined || skewUncertaintyMs === undefined) return [];
  const name = `clocks of ${from} – ${to}`;
  const value = `${skewMs >= 0 ? '+' : '−'}${milliseconds(Math.abs(skewMs))}, within ${milliseconds(skewUncertaintyMs)}`;
  if (Math.abs(skewMs) - skewUncertaintyMs <= skewedMs) return [ok(name, value)];
  return [
    warning(
      name,
      value,
      'Set the clocks (NTP, chrony): training needs none, but logs and file dates of the two do not agree.',
    ),
  ];
}
