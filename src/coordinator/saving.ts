/** A checkpoint on its way: the first rank's tensors, which are proven to be everybody's, streamed to the run folder. */

import type { Checkpoint } from '../shared/checkpoint/checkpoint.js';
import {
  type CheckpointFile,
  type CheckpointTensor,
  CheckpointWriter,
} from '../shared/checkpoint/checkpoint-writer.js';
import type { Standing } from '../shared/checkpoint/manifest.js';
import type { Proof } from '../shared/protocol/messages.js';
import { sameEverywhere } from './commit.js';
import { IncomingSnapshot } from './incoming-snapshot.js';
import type { WorkerConnection } from './worker-connection.js';
import type { WorkerGroup } from './worker-group.js';

interface SaveOptions {
  readonly group: WorkerGroup;
  readonly runFolder: string;
  readonly deadlineMs: number;
  /** Waited for before the checkpoint takes its place. */
  readonly before?: () => Promise<void>;
}

/**
 * Writes `checkpoints/<step>/`. Workers are asked before this returns its promise, and may go on.
 * @returns the weights' digest
 * @throws LockstepError DIVERGED when replicas differ in anything that it would hold; WORKER_LOST with the one who sends it
 */
export async function saveCheckpoint(standing: Standing, options: SaveOptions): Promise<string> {
  const { group, runFolder, deadlineMs, before } = options;
  const [source, ...others] = group.survivors;
  if (source === undefined) throw group.members[0]!.loss!;
  // All of them: an answer that nobody took would be taken for the next checkpoint's.
  const [requested, proven] = await Promise.allSettled([
    IncomingSnapshot.request(group, source, deadlineMs),
    proofsOf(group, others, deadlineMs),
  ]);
  if (requested.status === 'rejected') throw requested.reason;
  const snapshot = requested.value;
  const specs: CheckpointTensor[] = snapshot.tensors.map((tensor) => ({ ...tensor, dtype: 'F32' }));
  let writer: CheckpointWriter | undefined;
  try {
    if (proven.status === 'rejected') throw proven.reason;
    sameReplicas([{ worker: source, ...snapshot.proof }, ...proven.value], `after step ${standing.step}`);
    writer = await CheckpointWriter.begin(runFolder, standing, specs);
    for (const { name } of specs) for (const frame of await snapshot.next()) await writer.append(name, frame);
    await before?.();
    return (await writer.finish()).manifest.weightsDigest;
  } catch (error) {
    // What ended it is what counts, whatever comes of tidying up.
    await Promise.allSettled([writer?.abort(), snapshot.drop()]);
    throw error;
  }
}

/** From those that are not lost meanwhile: the checkpoint does not need them. */
async function proofsOf(
  group: WorkerGroup,
  workers: readonly WorkerConnection[],
  deadlineMs: number,
): Promise<readonly Proven[]> {
  const answers = workers.map(async (worker) => {
    try {
      return [{ worker, ...(await IncomingSnapshot.proof(group, worker, deadlineMs)) }];
    } catch (error) {
      if (worker.loss === undefined) throw error;
      return [];
    }
  });
  return (await Promise.all(answers)).flat();
}

interface Proven extends Proof {
  readonly worker: WorkerConnection;
}

/**
 * @param when for the message
 * @throws LockstepError DIVERGED
 */
function sameReplicas(proven: readonly Proven[], when: string): void {
  sameEverywhere(
    proven.map(({ fingerprint }) => fingerprint),
    `weights ${when}`,
    (index) => proven[index]!.worker.name,
  );
  sameEverywhere(
    proven.map(({ state }) => state),
    `optimiser state ${when}`,
    (index) => proven[index]!.worker.name,
  );
}

/** Gives some workers the tensors of another one, those of some files. */
export async function transferReplica(
  group: WorkerGroup,
  source: WorkerConnection,
  targets: readonly WorkerConnection[],
  files: readonly CheckpointFile[],
  deadlineMs: number,
): Promise<void> {
  const snapshot = await IncomingSnapshot.request(group, source, deadlineMs);
  const count = snapshot.tensors.filter(({ file }) => files.includes(file)).length;
  try {
    await Promise.all(targets.map(({ rank }) => group.send(rank!, { type: 'load', count })));
    for (const { name, file } of snapshot.tensors) {
      const frames = await snapshot.next();
      if (!files.includes(file)) continue;
      await Promise.all(targets.map(({ rank }) => group.send(rank!, { type: 'tensor', name }, ...frames)));
    }
  } catch (error) {
    await snapshot.drop();
    throw error;
  }
  const loaded = await Promise.all(targets.map((target) => group.receive(target, 'loaded', deadlineMs)));
  // Where a stage begins anew what they keep is of none that goes on.
  const stateOf = (proof: Proof) => (files.includes('optimizer') ? proof.state : '');
  const all = [{ worker: source, ...snapshot.proof }].concat(
    loaded.map(({ message }, i) => ({ worker: targets[i]!, ...message })),
  );
  sameReplicas(
    all.map((one) => ({ ...one, state: stateOf(one) })),
    'of a worker that joins',
  );
}

/** Gives every worker a checkpoint's tensors, those of some files. */
export async function loadTensors(
  group: WorkerGroup,
  checkpoint: Checkpoint,
  files: readonly CheckpointFile[],
  deadlineMs: number,
): Promise<void> {
  const chosen = checkpoint.tensors.filter(({ file }) => files.includes(file)).map(({ name }) => name);
  await giveTensors(group, chosen, deadlineMs, (name) => checkpoint.read(name));
}

/** Gives every worker tensors by name, in place of its own; all then have the same. */
export async function giveTensors(
  group: WorkerGroup,
  names: readonly string[],
  deadlineMs: number,
  read: (name: string) => Promise<Uint8Array>,
): Promise<void> {
  await group.broadcast({ type: 'load', count: names.length });
  for (const name of names) {
    const bytes = await read(name);
    await Promise.all(group.members.map((_, rank) => group.send(rank, { type: 'tensor', name }, bytes)));
  }
  const loaded = await group.collect('loaded', deadlineMs);
  sameReplicas(
    loaded.map((proof, rank) => ({ worker: group.members[rank]!, ...proof })),
    'that were loaded',
  );
}
