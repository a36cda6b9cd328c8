/** The weights that a run starts from, where its config names a file: checked here, and given to every worker. */
import { z } from 'zod';
import type { Config } from '../../shared/config/schema.js';
import { LockstepError } from '../../shared/errors.js';
import { IncomingSnapshot } from '../incoming-snapshot.js';
import { giveTensors } from '../saving.js';
import type { WorkerGroup } from '../worker-group.js';
import { matchTensors } from './match.js';
import { openWeights } from './open.js';
import { checkSuitable } from './suitable.js';
import type { WeightFile } from './weight-file.js';

/** What run.json says of them. */
export const initialWeightsRecord = z.strictObject({
  file: z.string(),
  sha256: z.string(),
  /** Whose names the file has. */
  naming: z.string(),
});
export type InitialWeightsRecord = z.infer<typeof initialWeightsRecord>;

export class InitialWeights {
  private constructor(
    private readonly config: Config,
    private readonly file: WeightFile,
    /** What a user should know. */
    readonly notes: readonly string[],
  ) {}

  /**
   * Opens the file of `model.init`; undefined without one. The caller closes it.
   * @throws LockstepError WEIGHTS or CHECKPOINT when it is damaged, or of another network
   */
  static async open(config: Config): Promise<InitialWeights | undefined> {
    const { init } = config.model;
    if (init === undefined) return undefined;
    const file = await openWeights(init.file);
    try {
      return new InitialWeights(config, file, checkSuitable(file, config));
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  get record(): InitialWeightsRecord {
    const { path, sha256, naming } = this.file;
    return { file: path, sha256, naming: naming.title };
  }

  /** @throws LockstepError WEIGHTS when a run that begins again would begin from another file */
  mustBe(record: InitialWeightsRecord | undefined): void {
    if (record === undefined || record.sha256 === this.file.sha256) return;
    throw new LockstepError(
      'WEIGHTS',
      `${this.file.path} has changed since the run began: its digest is ${this.file.sha256.slice(0, 12)}…, run.json says ${record.sha256.slice(0, 12)}….`,
      { hint: 'Put the former file back, or start a new run with another --out.' },
    );
  }

  /**
   * Gives every worker the file's tensors, through the coordinator: workers need no file. Doing it again changes nothing.
   * @returns what was done, in words
   * @throws LockstepError WEIGHTS that names what does not fit; WORKER_LOST
   */
  async give(group: WorkerGroup): Promise<string> {
    const { model, deadlines } = this.config;
    const deadlineMs = deadlines.checkpointSeconds * 1000;
    // Which tensors the model has, only workers know: the coordinator does not load TensorFlow.
    const snapshot = await IncomingSnapshot.request(group, group.members[0]!, deadlineMs);
    await snapshot.drop();
    const groups = model.init?.classifier ? ['encoder.', 'classifier.'] : ['encoder.'];
    const wanted = snapshot.tensors.filter(
      ({ file, name }) => file === 'weights' && groups.some((group) => name.startsWith(group)),
    );
    const { tensors, leftOut } = matchTensors(wanted, this.file);
    const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
    await giveTensors(group, [...byName.keys()], deadlineMs, async (name) => {
      const values = await byName.get(name)!.read();
      return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    });
    const { path, naming, sha256 } = this.file;
    const rest = leftOut.length === 0 ? '' : `; left out on purpose: ${leftOut.join(', ')}`;
    return `first weights: ${tensors.length} tensors of ${path} (${naming.title}, SHA-256 ${sha256.slice(0, 12)}…)${rest}`;
  }

  async close(): Promise<void> {
    await this.file.close();
  }
}

/** Opens the file of `model.init`, if there is one, and gives every worker its tensors. */
export async function giveInitialWeights(config: Config, group: WorkerGroup): Promise<void> {
  const weights = await InitialWeights.open(config);
  try {
    await weights?.give(group);
  } finally {
    await weights?.close();
  }
}
