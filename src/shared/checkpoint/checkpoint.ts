/** Reads checkpoints: opens one and proves its digests, finds the newest good one of a run, removes old ones. */
import { readdir, readFile, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { LockstepError } from '../errors.js';
import { whyUnreadable } from '../unreadable.js';
import { type CheckpointTensor, checkpointName, checkpointsFolder, setAside } from './checkpoint-writer.js';
import { isSystemError } from './durable.js';
import { type Manifest, manifestSchema } from './manifest.js';
import { TensorFile } from './tensor-file.js';

/** A checkpoint that is open for reading: both its files have the digests of its manifest. Close it after use. */
export class Checkpoint {
  readonly tensors: readonly CheckpointTensor[];

  constructor(
    readonly folder: string,
    readonly manifest: Manifest,
    private readonly files: { readonly weights: TensorFile; readonly optimizer: TensorFile },
  ) {
    this.tensors = (['weights', 'optimizer'] as const).flatMap((file) =>
      files[file].tensors.map((tensor) => ({ ...tensor, file })),
    );
  }

  /** A tensor's bytes, little-endian and row-major, in memory of their own (aligned to 8). */
  async read(name: string): Promise<Uint8Array<ArrayBuffer>> {
    const file = this.tensors.find((tensor) => tensor.name === name)?.file ?? 'weights';
    return this.files[file].read(name);
  }

  async close(): Promise<void> {
    await Promise.all([this.files.weights.close(), this.files.optimizer.close()]);
  }
}

/** Opens a checkpoint's folder. Throws CHECKPOINT if anything is missing, torn, or has another digest than its manifest says. */
export async function openCheckpoint(folder: string): Promise<Checkpoint> {
  const manifest = await readManifest(folder);
  const weights = await openVerified(folder, manifest, 'weights.safetensors');
  try {
    const optimizer = await openVerified(folder, manifest, 'optimizer.safetensors');
    return new Checkpoint(folder, manifest, { weights, optimizer });
  } catch (error) {
    await weights.close();
    throw error;
  }
}

/** Reads and checks a checkpoint's manifest, without its tensors. */
export async function readManifest(folder: string): Promise<Manifest> {
  const path = join(folder, 'manifest.json');
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    const what = isSystemError(cause, 'ENOENT', 'ENOTDIR')
      ? `${folder} is no checkpoint: it has no manifest.json.`
      : `${path} can't be read: ${(cause as Error).message}.`;
    throw new LockstepError('CHECKPOINT', what, {
      cause,
      hint: 'Give the folder of one checkpoint, such as runs/NAME/checkpoints/00000100, or a run folder.',
    });
  }
  const parsed = manifestSchema.safeParse(parseJson(text));
  if (!parsed.success) {
    const why = whyUnreadable(parsed.error);
    throw new LockstepError('CHECKPOINT', `${path} is no manifest of a checkpoint: ${why}.`);
  }
  return parsed.data;
}

/** The folders of a run's finished checkpoints, oldest first. */
export async function listCheckpoints(runFolder: string): Promise<string[]> {
  const parent = checkpointsFolder(runFolder);
  try {
    const names = (await readdir(parent)).filter((name) => /^\d{8,}$/.test(name));
    return names.sort((a, b) => Number(a) - Number(b)).map((name) => join(parent, name));
  } catch (error) {
    if (isSystemError(error, 'ENOENT', 'ENOTDIR')) return [];
    throw error;
  }
}

/**
 * Opens the newest checkpoint of a run that is whole, or returns undefined if it has none at all.
 * `onDamaged` hears of each that had to be passed over; if all are damaged, the newest one's error is thrown.
 */
export async function latestCheckpoint(
  runFolder: string,
  onDamaged: (error: LockstepError) => void = () => undefined,
): Promise<Checkpoint | undefined> {
  let newest: LockstepError | undefined;
  for (const folder of (await listCheckpoints(runFolder)).reverse()) {
    try {
      return await openCheckpoint(folder);
    } catch (error) {
      if (!(error instanceof LockstepError)) throw error;
      newest ??= error;
      onDamaged(error);
    }
  }
  if (newest !== undefined) throw newest;
  return undefined;
}

/** Opens what a user named: one checkpoint, or a run folder, which means its newest whole checkpoint. */
export async function openCheckpointOrRun(path: string): Promise<Checkpoint> {
  if ((await listCheckpoints(path)).length === 0) return openCheckpoint(path);
  return (await latestCheckpoint(path)) as Checkpoint;
}

/**
 * Removes all but the newest `keep` checkpoints, and the one named `best`; returns the names of those removed.
 *
 * @param upTo the step of the newest that counts: what a resumed run has passed over, as damaged, may lie beyond
 */
export async function pruneCheckpoints(
  runFolder: string,
  { keep, upTo, best }: { readonly keep: number; readonly upTo: number; readonly best?: string | undefined },
): Promise<string[]> {
  if (!Number.isInteger(keep) || keep < 1) {
    throw new LockstepError(
      'CHECKPOINT',
      `The number of checkpoints to keep must be 1 or more, not ${keep}.`,
    );
  }
  const old = (await listCheckpoints(runFolder))
    .filter((folder) => basename(folder) <= checkpointName(upTo))
    .slice(0, -keep)
    .filter((folder) => basename(folder) !== best);
  for (const folder of old) {
    await rm(await setAside(folder), { recursive: true, force: true });
  }
  return old.map((folder) => basename(folder));
}

async function openVerified(
  folder: string,
  manifest: Manifest,
  name: keyof Manifest['files'],
): Promise<TensorFile> {
  const file = await TensorFile.open(join(folder, name));
  try {
    const found = await file.sha256();
    const { sha256 } = manifest.files[name];
    if (found !== sha256) {
      throw new LockstepError(
        'CHECKPOINT',
        `${file.path} has the digest ${found.slice(0, 12)}…, its manifest says ${sha256.slice(0, 12)}….`,
        {
          hint: 'The file was changed after it was written: use another checkpoint.',
        },
      );
    }
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
