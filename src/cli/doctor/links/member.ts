/** One host of a doctor on several: joins the hub, makes the links that it is told to, measures them or answers. */
import { hostname } from 'node:os';
import { Dealer } from 'zeromq';
import { LockstepError } from '../../../shared/errors.js';
import type { Join } from '../../../shared/security/join.js';
import { clientOptions } from '../../../shared/security/socket-options.js';
import { isLoopback } from '../../../shared/transport/address.js';
import { machineIdentity } from '../../../shared/transport/machine.js';
import { Mesh } from '../../../shared/transport/mesh.js';
import { Outbox } from '../../../shared/transport/outbox.js';
import { decode, encode } from '../../../shared/transport/wire.js';
import { version } from '../../../shared/version.js';
import type { HostReport } from '../host.js';
import { type HubMessage, hubMessageSchema, type MemberMessage } from './messages.js';
import { answerPings, measureLink, measuringBytes } from './ping.js';

/** A host that is gone without a word is noticed. */
export const heartbeat = {
  heartbeatInterval: 1_000,
  heartbeatTimeout: 8_000,
  heartbeatTimeToLive: 10_000,
} as const;

export interface MemberOptions {
  readonly join: Join;
  /** Of this host, as others reach it. */
  readonly address: string;
  /** The address that the others are told. Default: `address`. */
  readonly advertise?: string;
  /** Looks at this host, once it is known to take part. */
  readonly examine: () => Promise<HostReport>;
  readonly log: (message: string) => void;
  /** How long the hub may take to answer. */
  readonly welcomeMs: number;
}

/** No answer: the join file may be an old one. */
export class NoWelcome extends LockstepError {}

/**
 * Takes part until the hub says that it was all.
 * @returns whether this host was measured, and not another process of it
 * @throws NoWelcome when the hub does not answer, LockstepError when it is lost or turns this member away
 */
export async function takePart(options: MemberOptions): Promise<boolean> {
  const { join, address, advertise = address } = options;
  if (!join.encrypted && !isLoopback(address)) {
    throw new LockstepError(
      'USAGE',
      `This doctor is not encrypted, so nothing of it may listen at ${address}.`,
      {
        hint: 'Start the hub with --bind on a network address.',
      },
    );
  }
  const mesh = await Mesh.bind({ address, advertise, protection: join, warn: options.log });
  const member = new Member(options, mesh);
  try {
    return await member.ended;
  } finally {
    member.close();
    await mesh.close();
  }
}

class Member {
  readonly #socket: Dealer;
  readonly #outbox: Outbox;
  readonly #welcome: NodeJS.Timeout;
  #welcomed = false;
  #stopAnswering: () => void = () => {};
  /** Links one after the other: the next is not made before the last one's work is over. */
  #work: Promise<void> = Promise.resolve();
  #end: (takesPart: boolean) => void = () => {};
  #fail: (error: Error) => void = () => {};
  readonly ended: Promise<boolean>;

  constructor(
    private readonly options: MemberOptions,
    private readonly mesh: Mesh,
  ) {
    const { join, welcomeMs } = options;
    this.ended = new Promise((resolve, reject) => {
      this.#end = resolve;
      this.#fail = reject;
    });
    this.#socket = new Dealer({
      ...clientOptions(join, join.coordinatorKey),
      ...heartbeat,
      linger: 1000,
      handshakeInterval: 10_000,
      sendHighWaterMark: 0,
    });
    this.#outbox = new Outbox(this.#socket, 'the hub');
    this.#socket.events.on('disconnect', () => {
      if (this.#welcomed)
        this.#fail(new LockstepError('COORDINATOR_LOST', 'The connection to the hub broke.'));
    });
    this.#welcome = setTimeout(() => {
      const why = `No answer from the hub at ${join.endpoint} in ${welcomeMs / 1000} s.`;
      this.#fail(
        new NoWelcome('COORDINATOR_LOST', why, {
          hint: 'Does it still run, is the join file its own, and may hosts connect to each other?',
        }),
      );
    }, welcomeMs);
    this.#socket.connect(join.endpoint);
    const peer = { host: hostname(), endpoint: mesh.endpoint, machine: machineIdentity() };
    this.#say({ type: 'register', version, peer });
    void this.#receive();
  }

  close(): void {
    clearTimeout(this.#welcome);
    this.#stopAnswering();
    void this.#outbox.close(200);
  }

  async #receive(): Promise<void> {
    for await (const [head] of this.#socket) {
      if (head !== undefined) this.#take(decode(head, hubMessageSchema));
    }
  }

  #take(message: HubMessage): void {
    clearTimeout(this.#welcome);
    switch (message.type) {
      case 'welcome':
        this.#welcomed = true;
        this.#work = this.#work.then(() => this.#report());
        break;
      case 'end':
        if (message.error === null) this.#end(this.#welcomed);
        else
          this.#fail(new LockstepError('PROTOCOL', message.error, { hint: 'Use one version on all hosts.' }));
        break;
      default:
        this.#work = this.#work.then(() => this.#do(message));
    }
  }

  async #report(): Promise<void> {
    try {
      const { host, findings } = await this.options.examine();
      this.#say({ type: 'report', report: { host, findings: [...findings] } });
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  async #do(message: Extract<HubMessage, { type: 'link' | 'measure' }>): Promise<void> {
    const { generation } = message;
    try {
      if (message.type === 'link') {
        const { rank, ticket, peers, deadlineMs } = message;
        this.#stopAnswering();
        await this.mesh.connect(
          { generation, rank, ticket, peers },
          { stepBytes: measuringBytes, deadlineMs },
        );
        // The asker notices a broken link itself.
        if (rank === 1) this.#stopAnswering = answerPings(this.mesh, () => {});
        this.#say({ type: 'linked', generation });
      } else {
        const measurement = await measureLink(this.mesh, this.mesh.pathTo(1)!);
        this.#say({ type: 'measured', generation, measurement });
      }
    } catch (error) {
      const text = error instanceof LockstepError ? error.message : String(error);
      this.#say({ type: 'failed', generation, message: text });
    }
  }

  #say(message: MemberMessage): void {
    this.#outbox.send([encode(message)]).catch((error: Error) => this.#fail(error));
  }
}
