/** A checkpoint on its way: rank 0's tensors, streamed to the run folder. */

import type { Checkpoint } from '../shared/checkpoint/checkpoint.js';
import {
  type CheckpointFile,
  type CheckpointTensor,
  CheckpointWriter,
} from '../shared/checkpoint/checkpoint-writer.js';
import type { Standing } from '../shared/checkpoint/manifest.js';
import { sameEverywhere } from './commit.js';
import { IncomingSnapshot } from './incoming-snapshot.js';
import type { WorkerConnection } from './worker-connection.js';
import type { WorkerGroup } from './worker-group.js';

/** Writes `checkpoints/<step>/`. @returns the weights' digest. */
export async function saveCheckpoint(
  group: WorkerGroup,
  runFolder: string,
  standing: Standing,
  deadlineMs: number,
): Promise<string> {
  const snapshot = await IncomingSnapshot.request(group, group.members[0]!, deadlineMs);
  const specs: CheckpointTensor[] = snapshot.tensors.map((tensor) => ({ ...tensor, dtype: 'F32' }));
  let writer: CheckpointWriter | undefined;
  try {
    writer = await CheckpointWriter.begin(runFolder, standing, specs);
    for (const { name } of specs) for (const frame of await snapshot.next()) await writer.append(name, frame);
    return (await writer.finish()).manifest.weightsDigest;
  } catch (error) {
    await writer?.abort();
    await snapshot.drop();
    throw error;
  }
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
  const names = [source, ...targets];
  sameEverywhere(
    [snapshot.fingerprint, ...loaded.map((answer) => answer.message.fingerprint)],
    'weights given to a worker that joins',
    (index) => names[index]!.name,
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
  sameEverywhere(
    loaded.map(({ fingerprint }) => fingerprint),
    'loaded weights',
    (rank) => group.nameOf(rank),
  );
}
