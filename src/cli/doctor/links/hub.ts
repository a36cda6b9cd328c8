/** The hub of a doctor on several hosts: takes members in, and has every pair measured, one after the other. */
import { randomBytes } from 'node:crypto';
import { Router } from 'zeromq';
import { LockstepError } from '../../../shared/errors.js';
import { Gate } from '../../../shared/security/gate.js';
import type { KeyPair } from '../../../shared/security/join.js';
import type { Protection } from '../../../shared/security/socket-options.js';
import { machineIdentity } from '../../../shared/transport/machine.js';
import { Outbox } from '../../../shared/transport/outbox.js';
import { decode, encode } from '../../../shared/transport/wire.js';
import { version } from '../../../shared/version.js';
import type { HostReport } from '../host.js';
import type { Measurement } from './measurement.js';
import { heartbeat } from './member.js';
import { type HubMessage, type MemberMessage, memberMessageSchema } from './messages.js';

type Registration = Extract<MemberMessage, { type: 'register' }>;

export interface HubOptions {
  readonly bind: string;
  readonly protection: Protection;
  /** What the hub proves to have, where links are encrypted. */
  readonly key: KeyPair;
  readonly log: (message: string) => void;
  /** Whether members that share a machine's memory count as one: a second one is sent away, content. */
  readonly onePerMachine: boolean;
  /** How long two members may take to make a link. Default 20 s. */
  readonly linkMs?: number;
}

/** A link between two hosts: what was measured, or why there is none. */
export interface LinkResult {
  readonly from: string;
  readonly to: string;
  readonly encrypted: boolean;
  readonly sameMachine: boolean;
  readonly measurement: Measurement | undefined;
  readonly problem: string | undefined;
}

interface Member {
  readonly identity: Buffer;
  readonly registration: Registration;
  /** Absent while it still looks at its host. */
  report?: HostReport;
  /** Why nothing is asked of it any more. */
  lost?: LockstepError;
  /** Told of every message. */
  take: (message: MemberMessage) => void;
}

/** Measuring takes about 20 s over 100 Mbit/s. */
const deadlines = { linkMs: 20_000, measureMs: 120_000 };
/** A member whose link is late says so, and which direction it was. */
const graceMs = 5_000;

export class LinkHub {
  readonly #outbox: Outbox;
  readonly #members: Member[] = [];
  #generation = 0;
  #joined: () => void = () => {};

  private constructor(
    private readonly socket: Router,
    private readonly gate: Gate,
    private readonly options: HubOptions,
  ) {
    this.#outbox = new Outbox(socket, 'the members');
    void this.#receive();
  }

  /** @throws LockstepError TRANSPORT when the address can't be bound */
  static async bind(options: HubOptions): Promise<LinkHub> {
    const gate = await Gate.open(options.protection, options.log);
    const socket = new Router({
      ...gate.socketOptions(options.key),
      ...heartbeat,
      linger: 2000,
      handshakeInterval: 10_000,
      maxMessageSize: 4 << 20,
      sendHighWaterMark: 0,
    });
    gate.watch(socket);
    try {
      await socket.bind(options.bind);
    } catch (cause) {
      socket.close();
      gate.close();
      throw new LockstepError(
        'TRANSPORT',
        `The doctor can't listen at ${options.bind}: ${(cause as Error).message}.`,
        { hint: 'Give an address of this host (not a name) and a free port, or *, with --bind.', cause },
      );
    }
    return new LinkHub(socket, gate, options);
  }

  /** Where it listens. */
  get endpoint(): string {
    return this.socket.lastEndpoint!;
  }

  /** The members' own findings, in the order in which they came. */
  get reports(): readonly HostReport[] {
    return this.#present.flatMap(({ report }) => report ?? []);
  }

  /** Those whose report has come. */
  get #present(): readonly Member[] {
    return this.#members.filter(({ report }) => report !== undefined);
  }

  /** Resolves when the reports of `count` members are there: with true, or with false when that took too long. */
  async joined(count: number, deadlineMs: number): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<false>((resolve) => {
      timer = setTimeout(() => resolve(false), deadlineMs);
    });
    const enough = new Promise<true>((resolve) => {
      this.#joined = () => this.#present.length >= count && resolve(true);
      this.#joined();
    });
    return await Promise.race([enough, late]).finally(() => clearTimeout(timer));
  }

  /** Measures every pair of members. @param shareMemory whether members of one machine use it */
  async measureAll(shareMemory: boolean, began?: (from: string, to: string) => void): Promise<LinkResult[]> {
    const results: LinkResult[] = [];
    const members = this.#present;
    for (const [i, first] of members.entries()) {
      for (const second of members.slice(i + 1)) {
        began?.(nameOf(first), nameOf(second));
        results.push(await this.#measure(first, second, shareMemory));
      }
    }
    return results;
  }

  /** Tells all members to end. */
  async close(): Promise<void> {
    for (const { identity } of this.#members) this.#send(identity, { type: 'end', error: null });
    await this.#outbox.close(1000);
    this.gate.close();
  }

  async #measure(first: Member, second: Member, shareMemory: boolean): Promise<LinkResult> {
    const pair = [first, second];
    const [from, to] = [nameOf(first), nameOf(second)];
    const { encrypted } = this.options.protection;
    const sameMachine = onOneMachine(first.registration, second.registration);
    this.#generation += 1;
    const generation = this.#generation;
    const ticket = randomBytes(12).toString('base64url');
    const peers = pair.map(({ registration: { peer } }, rank) => ({
      ...peer,
      rank,
      machine: shareMemory ? peer.machine : '',
    }));
    const link = { from, to, encrypted, sameMachine };
    try {
      for (const { lost } of pair) if (lost !== undefined) throw lost;
      const { linkMs = deadlines.linkMs } = this.options;
      const linked = pair.map((member) => this.#next(member, 'linked', generation, linkMs + graceMs));
      for (const [rank, { identity }] of pair.entries()) {
        this.#send(identity, { type: 'link', generation, rank, ticket, peers, deadlineMs: linkMs });
      }
      // Both have spoken before the next pair begins.
      const failed = (await Promise.allSettled(linked)).find(({ status }) => status === 'rejected');
      if (failed?.status === 'rejected') throw failed.reason;
      const measured = this.#next(first, 'measured', generation, deadlines.measureMs);
      this.#send(first.identity, { type: 'measure', generation });
      const { measurement } = await measured;
      return { ...link, measurement, problem: undefined };
    } catch (error) {
      if (!(error instanceof LockstepError)) throw error;
      return { ...link, measurement: undefined, problem: error.message };
    }
  }

  /** @throws LockstepError when the member has failed or is silent for too long */
  async #next<T extends 'linked' | 'measured'>(
    member: Member,
    type: T,
    generation: number,
    deadlineMs: number,
  ): Promise<Extract<MemberMessage, { type: T }>> {
    const name = nameOf(member);
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise((resolve, reject) => {
        timer = setTimeout(() => {
          member.lost = new LockstepError('WORKER_LOST', `${name} was silent for ${deadlineMs / 1000} s.`);
          reject(member.lost);
        }, deadlineMs);
        member.take = (message) => {
          if (!('generation' in message) || message.generation !== generation) return;
          if (message.type === type) resolve(message as Extract<MemberMessage, { type: T }>);
          if (message.type === 'failed') {
            reject(new LockstepError('TRANSPORT', `${name}: ${message.message}`));
          }
        };
      });
    } finally {
      clearTimeout(timer);
      member.take = () => {};
    }
  }

  async #receive(): Promise<void> {
    for await (const [identity, head] of this.socket) {
      if (identity === undefined || head === undefined) continue;
      try {
        const message = decode(head, memberMessageSchema);
        const member = this.#members.find((candidate) => candidate.identity.equals(identity));
        if (member !== undefined && message.type === 'report') {
          member.report = message.report;
          this.#joined();
        } else if (member !== undefined) member.take(message);
        else if (message.type === 'register') this.#admit(identity, message);
      } catch (error) {
        if (!(error instanceof LockstepError)) throw error;
        this.options.log(`A message was dropped: ${error.line}`);
      }
    }
  }

  #admit(identity: Buffer, registration: Registration): void {
    if (registration.version !== version) {
      const error = `This is Lockstep ${registration.version}, the hub ${version}.`;
      this.#send(identity, { type: 'end', error });
      return;
    }
    const there = this.#members.some((member) => onOneMachine(member.registration, registration));
    if (this.options.onePerMachine && there) {
      this.#send(identity, { type: 'end', error: null });
      return;
    }
    const member: Member = { identity, registration, take: () => {} };
    // The hub's own host comes first in what it reports, whoever was there first.
    if (registration.peer.machine === machineIdentity()) this.#members.unshift(member);
    else this.#members.push(member);
    this.#send(identity, { type: 'welcome' });
  }

  #send(identity: Buffer, message: HubMessage): void {
    this.#outbox.send([identity, encode(message)]).catch(() => {});
  }
}

function nameOf({ registration, report }: Member): string {
  return report?.host ?? registration.peer.host;
}

function onOneMachine(one: Registration, other: Registration): boolean {
  if (one.peer.machine === '' && other.peer.machine === '') return one.peer.host === other.peer.host;
  return one.peer.machine === other.peer.machine;
}
