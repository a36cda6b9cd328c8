/** The product's own step on several workers in one process: real sockets, real shared memory, one session each. */

import type { Config } from '../src/shared/config/schema.js';
import { Session } from '../src/shared/engine/session.js';
import { buildModel } from '../src/shared/model/model.js';
import { rangeOf } from '../src/shared/plan/range.js';
import { newKeyPair } from '../src/shared/security/join.js';
import { machineIdentity } from '../src/shared/transport/machine.js';
import { Mesh } from '../src/shared/transport/mesh.js';
import { sentBytes, sumBytes } from '../src/worker/exchange/reducer.js';
import type { MicroBatch } from '../src/worker/micro-batch.js';
import { Replica } from '../src/worker/replica.js';
import { StageProgram } from '../src/worker/stage-program.js';
import { gatheredSizes, stageShape } from '../src/worker/stage-shape.js';
import { runStep, type StepOutcome } from '../src/worker/step.js';

/** What was summed over the global batch, by name: gradients, and what the forward pass leaves. */
export type Gradients = ReadonlyMap<string, Float32Array>;

const protection = { encrypted: false, token: newKeyPair() };

export interface Worker {
  readonly mesh: Mesh;
  readonly replica: Replica;
  readonly program: StageProgram;
}

export class Workers {
  readonly #ends: (() => Promise<unknown>)[] = [];

  constructor(
    readonly config: Config,
    readonly batches: readonly MicroBatch[],
  ) {}

  /** Closes everything that was started; for afterEach. */
  async end(): Promise<void> {
    for (const end of this.#ends.splice(0)) await end();
  }

  /** Workers with the weights that the seed gives, and the config's first stage compiled; not connected yet. */
  async start(worldSize: number): Promise<readonly Worker[]> {
    const model = buildModel(this.config.model);
    return await Promise.all(
      Array.from({ length: worldSize }, async () => {
        const mesh = await Mesh.bind({ protection });
        this.#ends.push(() => mesh.close());
        const session = new Session({ precision: 'float32', device: 'cpu' });
        this.#ends.push(() => session.close());
        const replica = new Replica(session, model);
        await replica.initialize(this.config.seed);
        const program = await StageProgram.compile(replica, stageShape(this.config, model, 0), 4096);
        return { mesh, replica, program };
      }),
    );
  }

  /** Forms a generation of them. */
  async connect(workers: readonly Worker[], generation = 1): Promise<void> {
    const machine = machineIdentity();
    const peers = workers.map(({ mesh }, rank) => ({
      rank,
      host: 'localhost',
      endpoint: mesh.endpoint,
      machine,
    }));
    await Promise.all(
      workers.map(({ mesh, program, replica }, rank) => {
        const stepBytes = sentBytes({
          rank,
          worldSize: workers.length,
          microBatches: this.batches.length,
          buckets: program.buckets.map(({ size }) => size),
          gathered: gatheredSizes(program.shape, replica.model),
        });
        const sizes = program.buckets.map(({ size }) => size);
        return mesh.connect(
          { generation, rank, ticket: '', peers },
          { stepBytes, sumBytes: sumBytes(sizes) },
        );
      }),
    );
  }

  /** One worker's share of step 0, up to the commit. */
  async step({ mesh, program }: Worker): Promise<StepOutcome> {
    mesh.begin(0);
    return await runStep(program, mesh, {
      step: 0,
      range: rangeOf(mesh.rank, mesh.worldSize, this.batches.length),
      batch: (k) => this.batches[k]!,
      deadlineMs: 20_000,
      phase: () => {},
    });
  }

  /** Step 0 on `worldSize` new workers: what each of them has summed, and its loss. */
  async gradients(
    worldSize: number,
    change: (worker: Worker) => void = () => {},
  ): Promise<readonly { readonly gradients: Gradients; readonly loss: number }[]> {
    const workers = await this.start(worldSize);
    for (const worker of workers) change(worker);
    await this.connect(workers);
    const outcomes = await Promise.all(workers.map((worker) => this.step(worker)));
    return outcomes.map((outcome, rank) => ({
      gradients: gradientsOf(workers[rank]!, outcome),
      loss: outcome.result.loss,
    }));
  }
}

/** Copies the buckets' entries out, and frees the buckets. */
export function gradientsOf({ program }: Worker, { reduced }: StepOutcome): Gradients {
  const found = new Map<string, Float32Array>();
  for (const { index, entries } of program.buckets) {
    const flat = reduced[index]!.floats;
    for (const { name, offset, size } of entries) found.set(name, flat.slice(offset, offset + size));
  }
  for (const tensor of reduced) tensor.free();
  return found;
}

/** ‖found · scale − expected‖ / ‖expected‖ over all expected tensors together. */
export function relativeError(found: Gradients, expected: Gradients, scale = 1): number {
  let difference = 0;
  let size = 0;
  for (const [name, values] of expected) {
    const other = found.get(name)!;
    for (const [i, value] of values.entries()) {
      difference += (other[i]! * scale - value) ** 2;
      size += value ** 2;
    }
  }
  return Math.sqrt(difference / size);
}

/** A worker whose links are gone as soon as it would send this. */
export function leavingAt(what: string, worker: Worker): Worker {
  const { send } = worker.mesh;
  worker.mesh.send = function (this: Mesh, ...message: Parameters<Mesh['send']>) {
    if (message[1].bucket === what) void this.close();
    else send.apply(this, message);
  };
  return worker;
}
