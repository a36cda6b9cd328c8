/**
 * Random faults at random moments, and the weights of a run to which nothing happened. A few rounds in CI; many by
 * `npm run chaos`, which also sets LOCKSTEP_CHAOS_REPORT: a file to write what happened to.
 */
import { spawnSync } from 'node:child_process';
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { hash32 } from '../src/shared/random/keyed.js';
import { alive, Commands, endpointOf, eventsOf, type Running } from './lockstep-command.js';
import { Relay } from './relay.js';
import { resultOf, smallConfig, undisturbed } from './small-run.js';

const rounds = Number(process.env.LOCKSTEP_CHAOS_ROUNDS ?? 2);
const seed = Number(process.env.LOCKSTEP_CHAOS_SEED ?? 1);
const report = process.env.LOCKSTEP_CHAOS_REPORT;

const text = smallConfig({
  microBatches: 6,
  epochs: [10, 20],
  more: 'checkpoint: { everySteps: 7 }\ndeadlines: { heartbeatSeconds: 3, connectSeconds: 60, stepSeconds: 20 }',
});

let commands: Commands;
let config: string;
beforeEach(() => {
  commands = new Commands();
  config = join(commands.folder, 'config.yaml');
  writeFileSync(config, text);
});
afterEach(() => commands.end());

/** A worker that was started by hand, behind a relay to the coordinator. */
interface Worker {
  readonly running: Running;
  readonly relay: Relay;
  /** It has been in a generation. */
  joined: boolean;
}

class Crowd {
  readonly #workers: Worker[] = [];

  constructor(
    readonly run: string,
    readonly endpoint: string,
  ) {}

  async add(): Promise<void> {
    const relay = await Relay.open(this.endpoint);
    const running = commands.start([
      ...['worker', '--join', join(this.run, 'join.json'), '--coordinator', relay.endpoint],
    ]);
    const worker = { running, relay, joined: false };
    running.child.stdout!.on('data', (data: Buffer) => {
      worker.joined ||= data.includes('generation');
    });
    this.#workers.push(worker);
  }

  /** Those that take part and that nothing has happened to. */
  get healthy(): Worker[] {
    return this.#workers.filter((worker) => worker.joined && alive(pidOf(worker)));
  }

  forget(worker: Worker): void {
    this.#workers.splice(this.#workers.indexOf(worker), 1);
  }

  close(): void {
    for (const { relay } of this.#workers) relay.close();
  }
}

const pidOf = ({ running }: Worker) => running.child.pid!;

type Fault = (worker: Worker, crowd: Crowd, draw: (upTo: number) => number) => Promise<void>;

const faults: Readonly<Record<string, Fault>> = {
  kill: async (worker, crowd) => {
    process.kill(pidOf(worker), 'SIGKILL');
    crowd.forget(worker);
    await crowd.add();
  },
  pause: async (worker, _, draw) => {
    process.kill(pidOf(worker), 'SIGSTOP');
    await sleep(50 + draw(1000));
    process.kill(pidOf(worker), 'SIGCONT');
  },
  'stop for good': async (worker, crowd) => {
    process.kill(pidOf(worker), 'SIGSTOP');
    crowd.forget(worker);
    await crowd.add();
  },
  'cut the link to the coordinator': async (worker, crowd) => {
    worker.relay.cut();
    crowd.forget(worker);
    await crowd.add();
  },
  'cut the links between workers': async (worker) => {
    // Needs root and a kernel that can; without them nothing happens.
    spawnSync('ss', ['-K', '-t', 'state', 'established', ...['src', '127.0.0.1']].concat(filterOf(worker)));
  },
  'slow the link to the coordinator': async (worker, _, draw) => {
    worker.relay.delayMs = 20 + draw(100);
    await sleep(500);
    worker.relay.delayMs = 0;
  },
  'let one more in': async (_, crowd) => {
    await crowd.add();
  },
};

/** A filter of `ss` for the port that a worker listens at: peers connect to it. */
function filterOf(worker: Worker): string[] {
  const listed = spawnSync('ss', ['-Hltnp'], { encoding: 'utf8' }).stdout ?? '';
  const line = listed.split('\n').find((one) => one.includes(`pid=${pidOf(worker)},`));
  const port = /127\.0\.0\.1:(\d+)/.exec(line ?? '')?.[1];
  return port === undefined
    ? ['sport', '=', ':1']
    : ['(', 'sport', '=', `:${port}`, 'or', 'dport', '=', `:${port}`, ')'];
}

it.each(Array.from({ length: rounds }, (_, round) => round))(
  'round %i',
  async (round) => {
    const expected = await undisturbed(text);
    let drawn = 0;
    const draw = (upTo: number) => hash32(seed, 'chaos', round, drawn++) % upTo;
    const out = join(commands.folder, `round-${round}`);
    const count = 3 + draw(2);
    const { ended } = commands.start([
      ...['coordinator', config, '--workers', String(count), '--min-workers', '2'],
      ...['--bind', 'tcp://127.0.0.1:*', '--out', out, '--json'],
    ]);
    const crowd = new Crowd(out, await endpointOf(out));
    for (let i = 0; i < count; i += 1) await crowd.add();

    let over = false;
    const result = ended.finally(() => {
      over = true;
    });
    const happened: string[] = [];
    const metrics = join(out, 'metrics.jsonl');
    const committed = () => (existsSync(metrics) ? readFileSync(metrics, 'utf8').split('\n').length : 0);
    for (let i = 0; i < 3 && !over; i += 1) {
      const moment = committed() + 5 + draw(40);
      while (!over && committed() < moment) await sleep(5);
      await sleep(draw(30));
      const { healthy } = crowd;
      // One must always be left: the weights are nowhere else.
      if (over || healthy.length < 2) break;
      const name = Object.keys(faults)[draw(Object.keys(faults).length)]!;
      happened.push(name);
      await faults[name]!(healthy[draw(healthy.length)]!, crowd, draw);
    }
    const { code, stdout, stderr } = await result;
    crowd.close();
    const story = `round ${round}, ${count} workers: ${happened.join(', ')}`;
    expect(code, `${story}\n${stderr}`).toBe(0);
    const found = await resultOf(out, stdout);
    if (report !== undefined) {
      const generations = await eventsOf(out, 'generation');
      const slowest = Math.max(0, ...generations.map(({ seconds }) => seconds));
      const equal = isDeepStrictEqual(found, expected) ? 'equal' : 'DIFFERENT';
      const cells = [round, count, happened.join(', '), generations.length + 1, slowest.toFixed(2), equal];
      appendFileSync(report, `| ${cells.join(' | ')} |\n`);
    }
    expect(found, story).toEqual(expected);
  },
  180_000,
);
