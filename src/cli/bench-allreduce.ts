/** `lockstep bench allreduce`: how long gradients take between the processes of one host. */
import os from 'node:os';
import { fileURLToPath } from 'node:url';
import { LockstepError } from '../shared/errors.js';
import type { Peer } from '../shared/protocol/messages.js';
import { newKeyPair } from '../shared/security/join.js';
import { type Link, parseLink } from '../shared/simulation/link.js';
import { openLinks } from '../shared/simulation/links-thread.js';
import { medianOf } from '../shared/statistics/estimate.js';
import { type ValueType, valueTypes } from '../shared/transport/values.js';
import type { BenchReply, BenchRequest } from '../worker/exchange/bench-worker.js';
import { BenchProcess } from './bench-process.js';
import type { CommandBody } from './command.js';
import { wholeNumber } from './whole-number.js';

const script = fileURLToPath(new URL('../worker/exchange/bench-worker.js', import.meta.url));
const warmUps = 5;

export interface AllReduceOptions {
  /** Of all buckets together, in 10⁶ bytes. */
  readonly sizeMb: number;
  /** The size of a bucket, in 2²⁰ bytes. */
  readonly bucketMb: number;
  readonly workers: number;
  readonly path: 'shm' | 'tcp';
  /** What gradients come as; their size is that of float32, which their sums are. */
  readonly type: ValueType;
  readonly repeats: number;
  /** Whether what travels over TCP is encrypted. */
  readonly encrypted: boolean;
  /** A simulated link for each process; needs the path tcp. */
  readonly link?: Link | undefined;
}

export interface AllReduceTimes {
  readonly path: 'shm' | 'tcp';
  readonly type: ValueType;
  readonly encrypted: boolean;
  readonly workers: number;
  readonly megabytes: number;
  readonly buckets: number;
  readonly repeats: number;
  /** From the first process's start to the last one's end. */
  readonly ms: { readonly median: number; readonly min: number; readonly max: number };
  /** Size over the median time. */
  readonly gigabytesPerSecond: number;
  /** Processor time of all processes together for one all-reduce. */
  readonly cpuMs: number;
  /** Of the largest process. */
  readonly rssMb: number;
}

/**
 * Measures in processes of its own, on loopback.
 *
 * @throws LockstepError TRANSPORT when a process fails, or shared memory is asked for and not to be had
 */
export async function measureAllReduce(options: AllReduceOptions): Promise<AllReduceTimes> {
  const { sizeMb, bucketMb, workers, path, type, repeats, encrypted, link } = options;
  const protection = { encrypted, token: newKeyPair() };
  const links = link === undefined ? undefined : openLinks(link);
  const processes = Array.from(
    { length: workers },
    () => new BenchProcess<BenchRequest, BenchReply>(script, protection),
  );
  try {
    const bound = await Promise.all(processes.map((process) => process.reply('bound')));
    const peers: Peer[] = bound.map(({ endpoint, machine }, rank) => ({
      rank,
      endpoint,
      host: os.hostname(),
      machine: path === 'shm' ? machine : '',
    }));
    const floats = Math.round((sizeMb * 1e6) / Float32Array.BYTES_PER_ELEMENT);
    const bucketFloats = Math.round((bucketMb * 2 ** 20) / Float32Array.BYTES_PER_ELEMENT);
    const buckets = Array.from({ length: Math.ceil(floats / bucketFloats) }, (_, i) =>
      Math.min(bucketFloats, floats - i * bucketFloats),
    );
    const routed = await links?.route(peers);
    const ready = await Promise.all(
      processes.map((process, rank) =>
        process.ask(
          { type: 'setup', setup: { rank, peers: routed?.[rank] ?? peers, buckets, type } },
          'ready',
        ),
      ),
    );
    if (path === 'shm' && !ready.every(({ paths }) => paths.every((used) => used === 'shared memory'))) {
      throw new LockstepError('TRANSPORT', 'The processes can not share memory here.', {
        hint: 'Measure --path tcp.',
      });
    }
    const times: number[] = [];
    const cpu: number[] = [];
    let rss = 0;
    for (let step = 0; step < warmUps + repeats; step += 1) {
      const done = await Promise.all(processes.map((process) => process.ask({ type: 'go', step }, 'done')));
      if (step < warmUps) continue;
      times.push(Math.max(...done.map(({ ended }) => ended)) - Math.min(...done.map(({ began }) => began)));
      cpu.push(done.reduce((sum, reply) => sum + reply.cpuMs, 0));
      rss = Math.max(rss, ...done.map((reply) => reply.rss));
    }
    const median = medianOf(times);
    return {
      path,
      type,
      encrypted,
      workers,
      megabytes: sizeMb,
      buckets: buckets.length,
      repeats,
      ms: { median: round(median), min: round(Math.min(...times)), max: round(Math.max(...times)) },
      gigabytesPerSecond: round(sizeMb / median),
      cpuMs: round(medianOf(cpu)),
      rssMb: Math.round(rss / 1e6),
    };
  } finally {
    for (const process of processes) process.end();
    await links?.close();
  }
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}

interface Arguments {
  readonly 'size-mb': number;
  readonly 'bucket-mb': number;
  readonly workers: number;
  readonly path: 'shm' | 'tcp' | 'both';
  readonly type: ValueType;
  readonly repeats: number;
  readonly encrypt: boolean;
  readonly 'simulate-link': string | undefined;
  readonly json: boolean;
}

/** What `measureAllReduce` can do. @throws LockstepError USAGE */
export function checkMeasurable({
  sizeMb,
  bucketMb,
  workers,
  repeats,
}: {
  readonly sizeMb: number;
  readonly bucketMb: number;
  readonly workers: number;
  readonly repeats: number;
}): void {
  for (const [option, value] of [
    ['--size-mb', sizeMb],
    ['--bucket-mb', bucketMb],
  ] as const) {
    if (value >= 0.001 && value <= 8_000) continue;
    throw new LockstepError('USAGE', `${option} takes 0.001 to 8000, not ${value}.`);
  }
  wholeNumber('--workers', workers, 1, 64);
  wholeNumber('--repeats', repeats);
}

/** @throws LockstepError USAGE */
function checkArguments(args: Arguments): true {
  const usage = (message: string) => new LockstepError('USAGE', message);
  const { workers, repeats } = args;
  checkMeasurable({ sizeMb: args['size-mb'], bucketMb: args['bucket-mb'], workers, repeats });
  if (args.encrypt && args.path === 'shm')
    throw usage('--encrypt is for --path tcp: memory is not encrypted.');
  if (args['simulate-link'] !== undefined && args.path === 'shm') {
    throw usage('--simulate-link is a link for --path tcp: memory is shared without one.');
  }
  return true;
}

export const benchAllReduceCommand: CommandBody<Arguments> = {
  builder: (yargs) =>
    yargs
      .option('size-mb', {
        type: 'number',
        default: 94,
        describe: 'Gradients as float32, in 10⁶ bytes (ResNet-50: 94)',
      })
      .option('bucket-mb', {
        type: 'number',
        default: 25,
        describe: "Size of a bucket in 2²⁰ bytes (25: PyTorch DDP's)",
      })
      .option('workers', { type: 'number', default: 2, describe: 'Processes' })
      .option('path', {
        choices: ['shm', 'tcp', 'both'] as const,
        default: 'both' as const,
        describe: 'How payloads travel',
      })
      .option('type', {
        choices: valueTypes,
        default: 'float32' as const,
        describe: 'What gradients come as; sums are float32',
      })
      .option('repeats', { type: 'number', default: 20, describe: 'Measured all-reduces' })
      .option('encrypt', { type: 'boolean', default: false, describe: 'Encrypt what travels over TCP' })
      .option('simulate-link', {
        type: 'string',
        describe: 'Give each process a simulated link, as in 100mbit,1ms; over TCP only',
      })
      .option('json', { type: 'boolean', default: false, describe: 'Print one JSON document' })
      .example('$0 bench allreduce --path shm --repeats 50', 'Shared memory only')
      .check(checkArguments),
  handler: async ({ 'size-mb': sizeMb, workers, path, type, repeats, encrypt: encrypted, json, ...args }) => {
    const bucketMb = args['bucket-mb'];
    const simulate = args['simulate-link'];
    const link = simulate === undefined ? undefined : parseLink(simulate);
    const results: AllReduceTimes[] = [];
    const all = link === undefined ? (['shm', 'tcp'] as const) : (['tcp'] as const);
    for (const each of path === 'both' ? all : [path]) {
      results.push(
        await measureAllReduce({ sizeMb, bucketMb, workers, path: each, type, repeats, encrypted, link }),
      );
    }
    if (json) {
      process.stdout.write(`${JSON.stringify({ benchmark: 'allreduce', results })}\n`);
      return;
    }
    for (const { path: name, ms, gigabytesPerSecond, cpuMs } of results) {
      const range = `${ms.min} to ${ms.max}`;
      process.stdout.write(
        `${name}: ${sizeMb} MB of ${type}, ${workers} workers: ${ms.median} ms (${range}), ${gigabytesPerSecond} GB/s, ${cpuMs} ms CPU\n`,
      );
    }
  },
};
