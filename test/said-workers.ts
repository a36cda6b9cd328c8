/** A coordinator's end over a real socket, and workers that say what a test has them say. */
import { WorkerGroup } from '../src/coordinator/worker-group.js';
import type { CoordinatorMessage, WorkerMessage } from '../src/shared/protocol/messages.js';
import { coordinatorMessageSchema } from '../src/shared/protocol/messages.js';
import { newKeyPair } from '../src/shared/security/join.js';
import { decode, encode } from '../src/shared/transport/wire.js';
import { dealerTo, registration } from './strangers.js';

const protection = { encrypted: false, token: newKeyPair() };

export interface SaidWorker {
  say(message: WorkerMessage, ...frames: readonly Uint8Array[]): Promise<void>;
  /** Resolves when the coordinator asks for this, with how; what it said before is passed over. */
  asked<T extends CoordinatorMessage['type']>(type: T): Promise<Extract<CoordinatorMessage, { type: T }>>;
}

export class SaidWorkers {
  readonly #ends: (() => void)[] = [];

  private constructor(
    readonly group: WorkerGroup,
    private readonly coordinatorKey: string,
    /** What the group has logged. */
    readonly said: readonly string[],
  ) {}

  static async bind(heartbeatMs: number): Promise<SaidWorkers> {
    const said: string[] = [];
    const key = newKeyPair();
    const group = await WorkerGroup.bind({
      ...{ bind: 'tcp://127.0.0.1:*', protection, key, heartbeatMs },
      log: (line) => said.push(line),
      welcome: { config: {} as never, dataset: { digest: '', train: 1, test: 1 } },
      ...{ lost: () => {}, signalled: () => {}, samples: () => [] },
    });
    return new SaidWorkers(group, key.publicKey, said);
  }

  /** Registered and ready, on hosts of these names; and how the group knows them. */
  async start<Host extends string>(...hosts: readonly Host[]) {
    const workers = await Promise.all(hosts.map((host) => this.#start(host)));
    await this.group.waitFor(hosts.length, 10_000);
    const byHost = (host: string) => this.group.spares.find((one) => one.registration.host === host)!;
    return {
      ...(Object.fromEntries(hosts.map((host, i) => [host, workers[i]!])) as Record<Host, SaidWorker>),
      members: hosts.map(byHost),
    };
  }

  async end(): Promise<void> {
    await this.group.close();
    for (const end of this.#ends) end();
  }

  async #start(host: string): Promise<SaidWorker> {
    const { endpoint } = this.group;
    const socket = dealerTo({ endpoint, coordinatorKey: this.coordinatorKey, ...protection });
    const say: SaidWorker['say'] = (message, ...frames) => socket.send([encode(message), ...frames]);
    await say({ ...registration, host });
    await say({ type: 'ready' });
    const beats = setInterval(() => void say({ type: 'beat', phase: 'idle', step: 0 }).catch(() => {}), 50);
    this.#ends.push(() => {
      clearInterval(beats);
      socket.close();
    });
    return {
      say,
      asked: async (type) => {
        for (;;) {
          const [head] = await socket.receive();
          const message = decode(head!, coordinatorMessageSchema);
          if (message.type === type) return message as never;
        }
      },
    };
  }
}
