import { expect, it } from 'vitest';
import type { Config } from '../shared/config/schema.js';
import { LockstepError } from '../shared/errors.js';
import type { CoordinatorMessage } from '../shared/protocol/messages.js';
import { Recovery } from './recovery.js';
import type { WorkerGroup } from './worker-group.js';

/** Of a WorkerConnection what recovery looks at. */
interface Worker {
  readonly name: string;
  rank: number | undefined;
  loss: LockstepError | undefined;
}

/** A group without processes: generations always form, and `send` does what the test wants. */
class Group {
  members: readonly Worker[];
  generation = 1;
  readonly late: readonly Worker[] = [];
  readonly formed: string[][] = [];

  constructor(
    members: readonly Worker[],
    readonly everybody: readonly Worker[],
    readonly sent: (to: Worker, message: CoordinatorMessage) => void,
  ) {
    this.members = members;
  }

  get survivors(): readonly Worker[] {
    return this.members.filter(({ loss }) => loss === undefined);
  }

  get spares(): readonly Worker[] {
    return this.everybody.filter((one) => one.loss === undefined && !this.members.includes(one));
  }

  async waitFor(): Promise<void> {}

  async form(workers: readonly Worker[]): Promise<void> {
    for (const [rank, worker] of workers.entries()) worker.rank = rank;
    this.members = workers;
    this.generation += 1;
    this.formed.push(workers.map(({ name }) => name));
  }

  async send(rank: number, message: CoordinatorMessage): Promise<void> {
    this.sent(this.members[rank]!, message);
  }

  exclude(worker: Worker): void {
    lose(worker);
  }
}

function worker(name: string): Worker {
  return { name, rank: undefined, loss: undefined };
}

function lose(one: Worker): LockstepError {
  one.loss = new LockstepError('WORKER_LOST', `Lost ${one.name}.`);
  return one.loss;
}

function recoveryOf(group: Group): Recovery {
  const config = { batch: { microBatches: 4 }, deadlines: {} } as Config;
  return new Recovery({
    ...{ config, group: group as unknown as WorkerGroup, minWorkers: 1 },
    ...{ mayCome: () => true, quiet: async () => {}, formed: () => {} },
  });
}

it('ends when the last one with the weights is lost while it lets a worker in', async () => {
  const [a, joiner] = [worker('a'), worker('joiner')];
  const group = new Group([a], [a, joiner], () => {
    throw lose(a);
  });
  await expect(recoveryOf(group).reform(undefined, 0)).rejects.toThrow(
    'Lost a. Nobody is left who has the weights.',
  );
  expect(group.formed).toEqual([['a', 'joiner']]);
});

it('gives the weights again to a joiner of an attempt that failed, and takes them from who has them', async () => {
  const [a, b, joiner] = [worker('a'), worker('b'), worker('joiner')];
  const done = new LockstepError('PROTOCOL', 'The test has seen enough.');
  const prepared: string[] = [];
  const asked: string[] = [];
  const group = new Group([a, b], [a, b, joiner], (to, { type }) => {
    if (type === 'prepare') prepared.push(to.name);
    else asked.push(`${type} ${to.name}`);
    throw prepared.length === 1 ? lose(a) : done;
  });
  await expect(recoveryOf(group).reform(undefined, 0)).rejects.toBe(done);
  expect(group.formed).toEqual([
    ['a', 'b', 'joiner'],
    ['b', 'joiner'],
  ]);
  expect(prepared).toEqual(['joiner', 'joiner']);
  expect(asked).toEqual([]);
});

it('ends when they are all lost while it waits for more', async () => {
  const [a, spare] = [worker('a'), worker('spare')];
  const group = new Group([a], [a, spare], () => {});
  group.waitFor = async () => void lose(a);
  await expect(recoveryOf(group).reform(lose(worker('b')), 0)).rejects.toThrow('Nobody is left');
  expect(group.formed).toEqual([]);
});
