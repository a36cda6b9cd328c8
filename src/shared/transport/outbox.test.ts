import { describe, expect, it } from 'vitest';
import { Outbox } from './outbox.js';

/** A socket that, like zeromq's, refuses a second send while one is pending. */
class OneAtATime {
  readonly sent: string[] = [];
  readonly pending: { resolve: () => void; reject: (error: Error) => void }[] = [];
  closed = false;

  send(frames: Uint8Array[]): Promise<void> {
    if (this.pending.length > 0) return Promise.reject(new Error('Socket is busy writing'));
    this.sent.push(Buffer.concat(frames).toString());
    return new Promise((resolve, reject) => {
      const done = (settle: () => void) => () => {
        this.pending.shift();
        settle();
      };
      this.pending.push({ resolve: done(resolve), reject: (error) => done(() => reject(error))() });
    });
  }

  close(): void {
    this.closed = true;
  }
}

const frames = (text: string) => [Buffer.from(text)];

describe('Outbox', () => {
  it('sends one at a time, in order', async () => {
    const socket = new OneAtATime();
    const outbox = new Outbox(socket, 'rank 1');
    const sends = ['a', 'b', 'c'].map((text) => outbox.send(frames(text)));
    for (const [i, send] of sends.entries()) {
      expect(socket.sent).toHaveLength(i + 1);
      socket.pending[0]!.resolve();
      await send;
    }
    expect(socket.sent).toEqual(['a', 'b', 'c']);
    expect(outbox.length).toBe(0);
  });

  it('tells the sender when the socket fails, and goes on with the next', async () => {
    const socket = new OneAtATime();
    const outbox = new Outbox(socket, 'rank 1');
    const [first, second] = [outbox.send(frames('a')), outbox.send(frames('b'))];
    socket.pending[0]!.reject(new Error('no route'));
    await expect(first).rejects.toMatchObject({
      code: 'TRANSPORT',
      message: 'Nothing can be sent to rank 1: no route.',
    });
    socket.pending[0]!.resolve();
    await second;
  });

  it('lets the queue leave before it closes, when told to', async () => {
    const socket = new OneAtATime();
    const outbox = new Outbox(socket, 'rank 1');
    const sends = [outbox.send(frames('a')), outbox.send(frames('b'))];
    const closing = outbox.close(10_000);
    expect(socket.closed).toBe(false);
    socket.pending[0]!.resolve();
    await sends[0];
    socket.pending[0]!.resolve();
    await Promise.all([...sends, closing]);
    expect(socket.closed).toBe(true);
  });

  it('fails what did not leave in time, and what comes after', async () => {
    const socket = new OneAtATime();
    const outbox = new Outbox(socket, 'rank 1');
    const sends = [outbox.send(frames('a')), outbox.send(frames('b'))];
    const failures = sends.map((send) => expect(send).rejects.toMatchObject({ code: 'TRANSPORT' }));
    await outbox.close(1);
    await Promise.all(failures);
    await expect(outbox.send(frames('c'))).rejects.toThrow('the connection is closed');
  });
});
