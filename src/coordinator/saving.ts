/** A checkpoint on its way: rank 0's tensors, streamed to the run folder. */

import type { Checkpoint } from '../shared/checkpoint/checkpoint.js';
import {
  type CheckpointFile,
  type CheckpointTensor,
  CheckpointWriter,
} from '../shared/checkpoint/checkpoint-writer.js';
import type { Standing } from '../shared/checkpoint/manifest.js';
import { sameEverywhere } from './commit.js';
import type { WorkerConnection } from './worker-connection.js';
import type { WorkerGroup } from './worker-group.js';

/** Writes `checkpoints/<step>/`. @returns the weights' digest. */
export async function saveCheckpoint(
  group: WorkerGroup,
  runFolder: string,
  standing: Standing,
  deadlineMs: number,
): Promise<string> {
  const source = group.members[0]!;
  await group.send(0, { type: 'snapshot' });
  const { message } = await group.receive(source, 'snapshot', deadlineMs);
  const specs: CheckpointTensor[] = message.tensors.map((tensor) => ({ ...tensor, dtype: 'F32' }));
  const writer = await CheckpointWriter.begin(runFolder, standing, specs);
  try {
    for (const { name } of specs) {
      const tensor = await group.receive(source, 'tensor', deadlineMs);
      for (const frame of tensor.frames) await writer.append(name, frame);
    }
    return (await writer.finish()).manifest.weightsDigest;
  } catch (error) {
    await writer.abort();
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
  await group.send(source.rank!, { type: 'snapshot' });
  const { message } = await group.receive(source, 'snapshot', deadlineMs);
  const count = message.tensors.filter(({ file }) => files.includes(file)).length;
  await Promise.all(targets.map(({ rank }) => group.send(rank!, { type: 'load', count })));
  for (const { name, file } of message.tensors) {
    const { frames } = await group.receive(source, 'tensor', deadlineMs);
    if (!files.includes(file)) continue;
    await Promise.all(targets.map(({ rank }) => group.send(rank!, { type: 'tensor', name }, ...frames)));
  }
  const loaded = await Promise.all(targets.map((target) => group.receive(target, 'loaded', deadlineMs)));
  const names = [source, ...targets];
  sameEverywhere(
    [message.fingerprint, ...loaded.map((answer) => answer.message.fingerprint)],
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
  const chosen = checkpoint.tensors.filter(({ file }) => files.includes(file));
  await group.broadcast({ type: 'load', count: chosen.length });
  for (const { name } of chosen) {
    const bytes = await checkpoint.read(name);
    await Promise.all(group.members.map((_, rank) => group.send(rank, { type: 'tensor', name }, bytes)));
  }
  const loaded = await group.collect('loaded', deadlineMs);
  sameEverywhere(
    loaded.map(({ fingerprint }) => fingerprint),
    'loaded weights',
    (rank) => group.nameOf(rank),
  );
}
