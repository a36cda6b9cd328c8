/** One process of `lockstep bench allreduce`: reduces the same buckets again and again, and says how long it took. */
import process from 'node:process';
import { setImmediate as turn } from 'node:timers/promises';
import { rangeOf } from '../../shared/plan/range.js';
import { coveringNodes } from '../../shared/plan/tree.js';
import type { Peer } from '../../shared/protocol/messages.js';
import { joinVariable } from '../../shared/security/join.js';
import type { Protection } from '../../shared/security/socket-options.js';
import { machineIdentity } from '../../shared/transport/machine.js';
import { Mesh } from '../../shared/transport/mesh.js';
import type { ValueType } from '../../shared/transport/values.js';
import { Reducer, sentBytes, sumBytes } from './reducer.js';

/** What the parent sends first. */
export interface BenchSetup {
  readonly rank: number;
  readonly peers: readonly Peer[];
  /** Floats of every bucket. */
  readonly buckets: readonly number[];
  /** What gradients come as; sums are float32. */
  readonly type: ValueType;
}

export type BenchRequest =
  | { readonly type: 'setup'; readonly setup: BenchSetup }
  | { readonly type: 'go'; readonly step: number };

export type BenchReply =
  | { readonly type: 'bound'; readonly endpoint: string; readonly machine: string }
  | { readonly type: 'ready'; readonly paths: readonly (string | undefined)[] }
  /** Milliseconds of CLOCK_MONOTONIC, which all processes share. */
  | {
      readonly type: 'done';
      readonly began: number;
      readonly ended: number;
      readonly cpuMs: number;
      readonly rss: number;
    }
  | { readonly type: 'failed'; readonly message: string };

const protection = JSON.parse(process.env[joinVariable]!) as Protection;
const mesh = await Mesh.bind({ protection, warn: (message) => process.stderr.write(`${message}\n`) });
let reduce: ((step: number) => Promise<BenchReply>) | undefined;

process.on('message', (request: BenchRequest) => {
  void handle(request).catch((error: Error) => reply({ type: 'failed', message: error.message }));
});
process.on('disconnect', () => void mesh.close());
reply({ type: 'bound', endpoint: mesh.endpoint, machine: machineIdentity() });

async function handle(request: BenchRequest): Promise<void> {
  if (request.type === 'setup') reply(await prepare(request.setup));
  else reply(await reduce!(request.step));
}

async function prepare({ rank, peers, buckets, type }: BenchSetup): Promise<BenchReply> {
  const worldSize = peers.length;
  const stepBytes = sentBytes({ rank, worldSize, microBatches: worldSize, buckets });
  await mesh.connect({ generation: 1, rank, ticket: '', peers }, { stepBytes, sumBytes: sumBytes(buckets) });
  const [node] = coveringNodes(...bounds(rangeOf(rank, worldSize, worldSize)), worldSize);
  const given = buckets.map((size, bucket) => {
    const floats = new Float32Array(size).map((_, i) => value(rank, bucket, i));
    return type === 'float32' ? floats : upperHalves(floats);
  });
  const data = given.map((values) => values.slice());
  // Where no memory is shared, sums go over what was contributed, as in training, if it has room for them.
  const outputs =
    mesh.sums(buckets) ??
    data.map((values) => (values instanceof Float32Array ? values : new Float32Array(values.length)));

  reduce = async (step) => {
    mesh.begin(step);
    for (const output of outputs) output.fill(Number.NaN);
    for (const [bucket, values] of given.entries()) data[bucket]!.set(values);
    const cpu = process.cpuUsage();
    const began = Number(process.hrtime.bigint()) / 1e6;
    const reducer = new Reducer({
      exchange: mesh,
      step,
      microBatches: worldSize,
      buckets,
      output: (bucket) => outputs[bucket]!,
      deadlineMs: 20_000,
    });
    const results: Promise<Float32Array>[] = [];
    for (const [bucket, values] of data.entries()) {
      reducer.contribute(bucket, node!, values);
      results.push(reducer.result(bucket));
      // As in training, where buckets come one by one.
      await turn();
    }
    await Promise.all(results);
    const ended = Number(process.hrtime.bigint()) / 1e6;
    const { user, system } = process.cpuUsage(cpu);
    verify(outputs, worldSize);
    return {
      type: 'done',
      began,
      ended,
      cpuMs: (user + system) / 1000,
      rss: process.memoryUsage().rss,
    };
  };
  return {
    type: 'ready',
    paths: peers.filter((peer) => peer.rank !== rank).map((peer) => mesh.pathTo(peer.rank)),
  };
}

/** Small integers, which bfloat16 holds, and whose sums are exact in any order. */
function value(rank: number, bucket: number, index: number): number {
  return (index + bucket + 7 * rank) % 251;
}

function upperHalves(floats: Float32Array): Uint16Array {
  return Uint16Array.from(new Uint32Array(floats.buffer), (bits) => bits >>> 16);
}

function verify(outputs: readonly Float32Array[], worldSize: number): void {
  for (const [bucket, output] of outputs.entries()) {
    // A prime stride meets every piece; all elements would take longer than the exchange.
    for (let i = 0; i < output.length; i += 97) {
      let expected = 0;
      for (let rank = 0; rank < worldSize; rank += 1) expected += value(rank, bucket, i);
      if (output[i] !== expected) throw new Error(`Bucket ${bucket}[${i}] is ${output[i]}, not ${expected}`);
    }
  }
}

function bounds({ lo, hi }: { readonly lo: number; readonly hi: number }): [number, number] {
  return [lo, hi];
}

function reply(message: BenchReply): void {
  process.send?.(message);
}
