/** One process of `lockstep bench step`: compiles a training step, and runs it whenever the parent says go. */
import process from 'node:process';
import { parseConfig } from '../shared/config/parse.js';
import { device } from '../shared/engine/device.js';
import { Session } from '../shared/engine/session.js';
import { buildModel, imageShape } from '../shared/model/model.js';
import { rangeOf } from '../shared/plan/range.js';
import type { Peer } from '../shared/protocol/messages.js';
import { hash32 } from '../shared/random/keyed.js';
import { joinVariable } from '../shared/security/join.js';
import type { Protection } from '../shared/security/socket-options.js';
import { machineIdentity } from '../shared/transport/machine.js';
import { Mesh } from '../shared/transport/mesh.js';
import { sentBytes, sumBytes } from './exchange/reducer.js';
import { fingerprint } from './functions/fingerprint.js';
import type { MicroBatch } from './micro-batch.js';
import { Replica } from './replica.js';
import { StageProgram } from './stage-program.js';
import { stageShape } from './stage-shape.js';
import { runStep } from './step.js';
import { applyStep } from './update.js';

export interface StepBenchSetup {
  readonly config: unknown;
  readonly rank: number;
  /** Only oneself where nothing is exchanged. */
  readonly peers: readonly Peer[];
}

export type StepBenchRequest =
  | { readonly type: 'setup'; readonly setup: StepBenchSetup }
  /** Steps from `step` on. Unguarded ones take no fingerprint. */
  | { readonly type: 'go'; readonly step: number; readonly count: number; readonly guarded: boolean };

export type StepBenchReply =
  | { readonly type: 'bound'; readonly endpoint: string; readonly machine: string }
  | { readonly type: 'ready' }
  | {
      readonly type: 'done';
      /** Of each step. */
      readonly ms: readonly number[];
      readonly exposedMs: readonly number[];
      readonly peakRssBytes: number;
    }
  | { readonly type: 'failed'; readonly message: string };

const protection = JSON.parse(process.env[joinVariable]!) as Protection;
const mesh = await Mesh.bind({ protection, warn: (message) => process.stderr.write(`${message}\n`) });
/** Takes a step and gives the time that it waited for others, in ms. */
let run: ((step: number, guarded: boolean) => Promise<number>) | undefined;

process.on('message', (request: StepBenchRequest) => {
  void handle(request).catch((error: Error) => reply({ type: 'failed', message: error.message }));
});
process.on('disconnect', () => process.exit());
reply({ type: 'bound', endpoint: mesh.endpoint, machine: machineIdentity() });

async function handle(request: StepBenchRequest): Promise<void> {
  if (request.type === 'setup') {
    run = await prepare(request.setup);
    reply({ type: 'ready' });
  } else {
    const ms: number[] = [];
    const exposedMs: number[] = [];
    for (let i = 0; i < request.count; i += 1) {
      const began = performance.now();
      exposedMs.push(await run!(request.step + i, request.guarded));
      ms.push(performance.now() - began);
    }
    reply({ type: 'done', ms, exposedMs, peakRssBytes: process.resourceUsage().maxRSS * 1024 });
  }
}

/** The whole step as a worker runs it: forward, backward, exchange, fingerprint, update. */
async function prepare({
  config: value,
  rank,
  peers,
}: StepBenchSetup): Promise<(step: number, guarded: boolean) => Promise<number>> {
  const config = parseConfig(value, 'bench step');
  const session = new Session({ precision: config.precision, device });
  const replica = new Replica(session, buildModel(config.model));
  await replica.initialize(config.seed);
  const program = await StageProgram.compile(
    replica,
    stageShape(config, replica.model, 0),
    config.exchange.bucketBytes,
  );
  const { microBatches, microBatchSize } = config.batch;
  const buckets = program.buckets.map(({ size }) => size);
  const stepBytes = sentBytes({ rank, worldSize: peers.length, microBatches, buckets });
  await mesh.connect({ generation: 1, rank, ticket: '', peers }, { stepBytes, sumBytes: sumBytes(buckets) });
  const batch = randomBatch(microBatchSize);
  return async (step, guarded) => {
    mesh.begin(step);
    const running = runStep(program, mesh, {
      step,
      range: rangeOf(rank, peers.length, microBatches),
      batch: () => batch,
      deadlineMs: 60_000,
      phase: () => {},
    });
    const proof = guarded ? fingerprint(program.fingerprint) : undefined;
    const [outcome] = await Promise.all([running, proof]);
    await applyStep(program, outcome, { learningRate: 0.01, stepInStage: step });
    for (const tensor of outcome.reduced) tensor.free();
    return outcome.ms.exposedComm;
  };
}

function randomBatch(size: number): MicroBatch {
  const [height, width, channels] = imageShape;
  return {
    images: Uint8Array.from(
      { length: size * height * width * channels },
      (_, i) => hash32(1, 'bench', i) & 255,
    ),
    labels: Int32Array.from({ length: size }, (_, i) => i % 10),
    dropoutSeed: Int32Array.of(0, 0),
  };
}

function reply(message: StepBenchReply): void {
  process.send?.(message);
}
