import { describe, expect, it } from 'vitest';
import { fitLink } from '../../../shared/plan/link-model.js';
import { Inbox } from '../../../shared/transport/inbox.js';
import type { Envelope } from '../../../shared/transport/peer-exchange.js';
import { type Values, valueTypeOf } from '../../../shared/transport/values.js';
import { answerPings, measureLink, type PingExchange } from './ping.js';

/** An exchange in memory: messages come in a later turn of the event loop, and in order. */
class MemoryExchange implements PingExchange {
  readonly inbox = new Inbox();
  readonly worldSize = 2;
  readonly coalesces = false;
  peer: MemoryExchange | undefined;

  constructor(readonly rank: number) {}

  nameOf(rank: number): string {
    return `rank ${rank}`;
  }

  begin(step: number): void {
    this.inbox.begin(step);
  }

  place<T>(values: T): T {
    return values;
  }

  sums(): undefined {
    return undefined;
  }

  canSend(): boolean {
    return true;
  }

  send(_to: number, envelope: Envelope, payload: Values): void {
    const { peer, rank: from } = this;
    const header = { ...envelope, from, length: payload.length, type: valueTypeOf(payload) };
    setImmediate(() => peer?.inbox.deliver({ header, payload }));
  }

  listen: PingExchange['listen'] = (step, kinds, listener) => this.inbox.listen(step, kinds, listener);
}

function pair(): [MemoryExchange, MemoryExchange] {
  const [one, other] = [new MemoryExchange(0), new MemoryExchange(1)];
  one.peer = other;
  other.peer = one;
  return [one, other];
}

describe('a link', () => {
  it('is measured at several sizes, in both directions, with the difference of the clocks', async () => {
    const [one, other] = pair();
    const ahead = { now: () => performance.timeOrigin + performance.now() + 250 };
    const stop = answerPings(other, () => {}, ahead);
    const measurement = await measureLink(one, 'frames');
    stop();
    expect(measurement.skewMs).toBeGreaterThan(240);
    expect(measurement.skewMs).toBeLessThan(260);
    expect(measurement.skewUncertaintyMs).toBeGreaterThan(0);
    expect(measurement.latencyMs.samples).toBe(400);
    expect(measurement.latencyMs.p99).toBeGreaterThanOrEqual(measurement.latencyMs.median);
    expect(measurement.points.map(({ bytes }) => bytes)).toEqual([
      ...[64, 4096, 65_536, 262_144, 1 << 20, 4 << 20, 16 << 20],
    ]);
    // Copying is all that takes time here, and it grows with size.
    expect(fitLink(measurement.points)?.bytesPerSecond).toBeGreaterThan(1e8);
    expect(measurement.oneWayBytesPerSecond).toBeGreaterThan(1e8);
    expect(measurement.bothWaysBytesPerSecond).toBeGreaterThan(1e8);
  }, 30_000);

  it('that ends while it is measured is an error at once', async () => {
    const [one] = pair();
    const measuring = measureLink(one, 'frames');
    one.inbox.fail(new Error('The link broke.'));
    await expect(measuring).rejects.toThrow('The link broke.');
  });
});
