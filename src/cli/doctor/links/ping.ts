/** Measures a link by messages there and back, over the exchange that training uses; the other end answers. */
import { medianOf } from '../../../shared/statistics/estimate.js';
import type { BulkMessage } from '../../../shared/transport/inbox.js';
import type { PeerExchange } from '../../../shared/transport/peer-exchange.js';
import { floatsOf, type Values } from '../../../shared/transport/values.js';
import type { Measurement } from './measurement.js';
import { WallClock } from './wall-clock.js';

/** What one end is and does in a measurement: the first asks, the second answers. */
const [asker, answerer] = [0, 1] as const;
/** All messages are of one step. */
const step = 1;

const pingBytes = 64;
/** Of the latency-bandwidth fit, beside `pingBytes`. */
const sizes = [4 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20];
const streamBytes = 4 << 20;
const floatBytes = Float32Array.BYTES_PER_ELEMENT;
const largestFloats = Math.max(...sizes) / floatBytes;

/** What a mesh must have room for. */
export const measuringBytes = Math.max(...sizes) + 4096;

const pings = { warmUps: 50, most: 400 };
const larger = { warmUps: 2, least: 5, most: 100, budgetMs: 250 };
/** Larger messages are left out once a round trip takes so long; they would say nothing new. */
const slowRoundTripMs = 1_000;
const streams = { repeats: 3, messages: { most: 16, least: 2 }, budgetMs: 2_000 };

/** Tells milliseconds since 1970. */
export type Clock = Pick<WallClock, 'now'>;

/** The mesh, whose first step begins with the measurement. */
export interface PingExchange extends PeerExchange {
  begin(step: number): void;
}

/** The bytes of a float64 in two float32 values, whose bits a link leaves alone. */
function putTime(into: Float32Array, ms: number): void {
  new DataView(into.buffer, into.byteOffset, 8).setFloat64(0, ms);
}

function timeIn(values: Float32Array): number {
  return new DataView(values.buffer, values.byteOffset, 8).getFloat64(0);
}

/** Reads what came, once, as a sum would: values in shared memory have not moved before. */
class Reading {
  readonly #memory = new Float32Array(largestFloats);

  take(payload: Values): Float32Array {
    const floats = floatsOf(payload);
    this.#memory.set(floats);
    return floats;
  }
}

/**
 * Answers whatever the asker sends, until it is told to stop or the link ends.
 * @param failed told when the link ends
 */
export function answerPings(
  exchange: PingExchange,
  failed: (error: Error) => void,
  clock: Clock = new WallClock(),
): () => void {
  exchange.begin(step);
  const reading = new Reading();
  const memory = exchange.place(new Float32Array(largestFloats).fill(1));
  const small = exchange.place(new Float32Array(pingBytes / floatBytes));
  const send = (bucket: string, values: Float32Array, node: [number, number] = [0, 1]) =>
    exchange.send(asker, { kind: 'result', step, bucket, node, start: 0 }, values);
  const message = ({ header: { bucket, node, length }, payload }: BulkMessage): void => {
    reading.take(payload);
    const [index, count] = node;
    if (bucket === 'ping' && length <= small.length) {
      putTime(small, clock.now());
      send('pong', small);
    } else if (bucket === 'ping') send('pong', memory.subarray(0, length));
    else {
      if (bucket === 'both' && index === 0) {
        for (let i = 0; i < count; i += 1) send('back', memory.subarray(0, length), [i, count]);
      }
      if (index === count - 1) send('end', small);
    }
  };
  return exchange.listen(step, ['contribution'], { message, failed });
}

/**
 * Measures the link to the second of two members, who answers.
 * @throws what the exchange reports when the link ends
 */
export async function measureLink(exchange: PingExchange, path: Measurement['path']): Promise<Measurement> {
  const asking = new Asking(exchange);
  try {
    const ping = await asking.pings();
    const points = [{ bytes: pingBytes, ms: ping.latencyMs.median, samples: ping.latencyMs.samples }];
    for (const bytes of sizes) {
      const point = await asking.roundTrips(bytes);
      points.push(point);
      if (2 * point.ms > slowRoundTripMs) break;
    }
    const largest = points.at(-1)!;
    const messageMs = (largest.ms * streamBytes) / largest.bytes;
    const { most, least } = streams.messages;
    const messages = Math.max(least, Math.min(most, Math.round(streams.budgetMs / messageMs)));
    return {
      path,
      ...ping,
      points: points.map(({ bytes, ms, samples }) => ({
        bytes,
        ms,
        bytesPerSecond: (bytes / ms) * 1000,
        samples,
      })),
      oneWayBytesPerSecond: await asking.stream('one', messages),
      bothWaysBytesPerSecond: await asking.stream('both', messages),
    };
  } finally {
    asking.stop();
  }
}

class Asking {
  readonly #clock = new WallClock();
  readonly #reading = new Reading();
  readonly #memory: Float32Array;
  readonly #stop: () => void;
  #waiting: { resolve: (payload: Float32Array) => void; reject: (error: Error) => void } | undefined;
  #failed: Error | undefined;
  /** Messages of the other direction that have come. */
  #back = 0;

  constructor(private readonly exchange: PingExchange) {
    exchange.begin(step);
    this.#memory = exchange.place(new Float32Array(largestFloats).fill(1));
    this.#stop = exchange.listen(step, ['result'], {
      message: ({ header, payload }) => {
        const floats = this.#reading.take(payload);
        if (header.bucket === 'back') this.#back += 1;
        else this.#waiting?.resolve(floats);
      },
      failed: (error) => {
        this.#failed = error;
        this.#waiting?.reject(error);
      },
    });
  }

  stop(): void {
    this.#stop();
  }

  /** Small messages: their latency, and the peer's clock at the fastest of them. */
  async pings(): Promise<Pick<Measurement, 'latencyMs' | 'skewMs' | 'skewUncertaintyMs'>> {
    const times: number[] = [];
    let fastest = Number.POSITIVE_INFINITY;
    let skewMs = 0;
    for (let i = -pings.warmUps; i < pings.most; i += 1) {
      const sent = this.#clock.now();
      const answer = await this.#ask('ping', pingBytes);
      const came = this.#clock.now();
      if (i < 0) continue;
      times.push((came - sent) / 2);
      if (came - sent < fastest) {
        fastest = came - sent;
        skewMs = timeIn(answer) - (sent + came) / 2;
      }
    }
    times.sort((a, b) => a - b);
    const at = (part: number) => times[Math.min(times.length - 1, Math.floor(part * times.length))]!;
    return {
      latencyMs: { median: at(0.5), p99: at(0.99), min: times[0]!, samples: times.length },
      skewMs,
      skewUncertaintyMs: fastest / 2,
    };
  }

  async roundTrips(bytes: number): Promise<{ bytes: number; ms: number; samples: number }> {
    const times: number[] = [];
    for (let i = 0; i < larger.warmUps; i += 1) await this.#ask('ping', bytes);
    const began = performance.now();
    while (
      times.length < larger.least ||
      (times.length < larger.most && performance.now() - began < larger.budgetMs)
    ) {
      const sent = performance.now();
      await this.#ask('ping', bytes);
      times.push((performance.now() - sent) / 2);
    }
    return { bytes, ms: medianOf(times), samples: times.length };
  }

  /** Bytes per second of one direction. */
  async stream(bucket: 'one' | 'both', messages: number): Promise<number> {
    const times: number[] = [];
    for (let repeat = 0; repeat < streams.repeats; repeat += 1) {
      this.#back = 0;
      const began = performance.now();
      for (let i = 0; i < messages - 1; i += 1) this.#send(bucket, streamBytes, [i, messages]);
      // What comes back goes before the end, in the order in which it was sent.
      await this.#ask(bucket, streamBytes, [messages - 1, messages]);
      times.push(performance.now() - began);
      if (bucket === 'both' && this.#back !== messages)
        throw new Error(`${this.#back} of ${messages} came back`);
    }
    return ((messages * streamBytes) / medianOf(times)) * 1000;
  }

  #send(bucket: string, bytes: number, node: [number, number]): void {
    const values = this.#memory.subarray(0, bytes / floatBytes);
    this.exchange.send(answerer, { kind: 'contribution', step, bucket, node, start: 0 }, values);
  }

  async #ask(bucket: string, bytes: number, node: [number, number] = [0, 1]): Promise<Float32Array> {
    if (this.#failed !== undefined) throw this.#failed;
    const answer = new Promise<Float32Array>((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
    this.#send(bucket, bytes, node);
    return await answer;
  }
}
