import { describe, expect, it } from 'vitest';
import { Switch } from './switch.js';
import { TimeQueue } from './time-queue.js';

/** When each chunk is there, by name: [name, from, to, bytes, ready at]; 1 MB/s, so a thousand bytes take 1 ms. */
function arrivals(...chunks: readonly (readonly [string, number, number, number, number])[]) {
  const wire = new Switch({ bytesPerSecond: 1e6, delayMs: 5 });
  const found: Record<string, number> = {};
  let now = 0;
  for (const [name, from, to, bytes, ready] of chunks) {
    wire.send(from, to, bytes, ready, () => {
      found[name] = now;
    });
  }
  for (let next = wire.advance(0); next !== undefined; next = wire.advance(now)) now = next;
  return found;
}

describe('a switch', () => {
  it('takes delay and length', () => {
    expect(arrivals(['a', 0, 1, 1000, 100])).toEqual({ a: 106 });
  });

  it('serves what one worker sends in turn, to whomever', () => {
    expect(arrivals(['a', 0, 1, 1000, 0], ['b', 0, 2, 2000, 0])).toEqual({ a: 6, b: 8 });
  });

  it('serves what one worker receives in turn, from whomever', () => {
    expect(arrivals(['a', 1, 0, 1000, 0], ['b', 2, 0, 1000, 0])).toEqual({ a: 6, b: 7 });
  });

  it('sends and receives at once', () => {
    expect(arrivals(['a', 0, 1, 1000, 0], ['b', 1, 0, 1000, 0])).toEqual({ a: 6, b: 6 });
  });

  it('lets nobody wait for what is held up by another link', () => {
    // 'b' waits 50 ms for its own link; 'c' reaches link 1 long before it, though it was ready later.
    expect(arrivals(['a', 0, 2, 50_000, 0], ['b', 0, 1, 1000, 0], ['c', 3, 1, 1000, 1])).toEqual({
      ...{ a: 55, b: 56, c: 7 },
    });
  });

  it('has the same times however late it is looked after', () => {
    const wire = new Switch({ bytesPerSecond: 1e6, delayMs: 5 });
    const done: string[] = [];
    wire.send(0, 1, 1000, 0, () => done.push('a'));
    wire.send(0, 1, 9000, 0, () => done.push('b'));
    expect(wire.advance(0)).toBe(5);
    expect(wire.advance(14.9)).toBe(15);
    expect(done).toEqual(['a']);
    expect(wire.advance(15)).toBeUndefined();
    expect(done).toEqual(['a', 'b']);
  });
});

describe('a queue of times', () => {
  it('gives what is due, the earliest first, and in order where equally early', () => {
    const queue = new TimeQueue<number>();
    const times = Array.from({ length: 200 }, (_, i) => (i * 37) % 20);
    for (const [i, at] of times.entries()) queue.put(at, i);
    const sorted = times.map((at, i) => ({ at, i })).sort((a, b) => a.at - b.at || a.i - b.i);
    for (const { at, i } of sorted) {
      expect(queue.next).toBe(at);
      expect(queue.take(at - 1)).toBeUndefined();
      expect(queue.take(at)?.value).toBe(i);
    }
    expect(queue.next).toBeUndefined();
  });
});
