import { expect, it } from 'vitest';
import { WorkerConnection } from './worker-connection.js';

const connection = () => new WorkerConnection(Buffer.of(1), {} as never);
const joined = (generation: number) => ({ message: { type: 'joined', generation }, frames: [] }) as const;

it('hands messages over in order, whether they come before or after somebody waits', async () => {
  const worker = connection();
  worker.put(joined(1));
  expect(await worker.next('joined')).toEqual(joined(1));
  const waiting = worker.next('joined');
  worker.put(joined(2));
  worker.put(joined(3));
  expect(await waiting).toEqual(joined(2));
  expect(await worker.next('joined')).toEqual(joined(3));
});

it('keeps a message for the next one when whoever waited has given up', async () => {
  const worker = connection();
  void worker.next('reduced');
  worker.giveUp('reduced');
  worker.put(joined(2));
  expect(await worker.next('joined')).toEqual(joined(2));
});
