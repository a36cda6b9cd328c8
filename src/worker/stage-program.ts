/** A stage compiled: the traced functions of its step. */
import { isContrastive } from '../shared/config/objectives.js';
import type { TracedFunction } from '../shared/engine/traced-function.js';
import type { Variable } from '../shared/engine/variable.js';
import { lossScaleState } from '../shared/optimizer/loss-scaling.js';
import type { Bucket } from '../shared/plan/buckets.js';
import { traceApply } from './functions/apply.js';
import { traceFingerprint } from './functions/fingerprint.js';
import { traceEmbed } from './functions/forward-backward.js';
import { traceLossScale } from './functions/loss-scale.js';
import { traceObjective } from './functions/objective.js';
import type { Replica } from './replica.js';
import { Slots } from './slots.js';
import { type StageShape, stageBuckets } from './stage-shape.js';
import { stageState } from './stage-state.js';
import { SumMemory } from './sum-memory.js';

export class StageProgram {
  /** Those that hold gradients: not what the forward pass reports. */
  readonly gradientBuckets: readonly Bucket[];
  readonly sumMemory: SumMemory;
  /** Forward and backward. */
  readonly slots: Slots;
  /** For contrastive stages whose micro-batches are computed in turn, more than one a worker. */
  readonly embed: TracedFunction | undefined;
  readonly apply: TracedFunction;
  /** Of what a step changes: see `changedBy`. */
  readonly fingerprint: TracedFunction;
  /** The fingerprint of what the stage keeps beside weights and statistics, if it keeps anything. */
  readonly state: TracedFunction | undefined;
  /** Of contrastive stages only. */
  readonly objective: TracedFunction | undefined;
  readonly #lossScale: TracedFunction | undefined;

  private constructor(
    readonly shape: StageShape,
    readonly buckets: readonly Bucket[],
    replica: Replica,
    slots: Slots,
  ) {
    const { index, config, input, microBatches } = shape;
    this.slots = slots;
    this.sumMemory = new SumMemory(buckets.map(({ size }) => size));
    const trained = new Set(shape.trained.map(({ name }) => name));
    this.gradientBuckets = buckets.filter(({ entries }) => trained.has(entries[0]!.name));
    this.embed = isContrastive(config) && !shape.synchronized ? traceEmbed(replica, shape) : undefined;
    this.apply = traceApply(replica, shape, buckets);
    this.#lossScale = traceLossScale(replica, shape);
    this.fingerprint = traceFingerprint(
      replica.session,
      `stage ${index}: fingerprint`,
      changedBy(shape, replica),
    );
    const state = replica.tensors.flatMap(({ file, variable }) => (file === 'optimizer' ? [variable] : []));
    this.state =
      state.length === 0
        ? undefined
        : traceFingerprint(replica.session, `stage ${index}: state's fingerprint`, state);
    this.objective = isContrastive(config)
      ? traceObjective(replica.session, `stage ${index}: objective`, config, {
          microBatches,
          rows: input.count,
          width: replica.model.embeddingWidth,
        })
      : undefined;
  }

  /**
   * Makes ready for steps with so many micro-batches.
   * @throws LockstepError CONFIG when they can't be computed together but must be
   */
  async reserve(microBatches: number): Promise<void> {
    await this.slots.reserve(this.shape.synchronized ? microBatches : 1);
  }

  /** The dynamic loss scale, and how many steps it has made the stage skip; undefined where there is none. */
  async readLossScale(): Promise<{ readonly scale: number; readonly skipped: number } | undefined> {
    if (this.#lossScale === undefined) return undefined;
    const { state } = await this.#lossScale.run();
    const [scale, , skipped] = state!.floats;
    state!.free();
    return { scale: scale!, skipped: skipped! };
  }

  /** Begins the stage in the replica, and traces its functions. */
  static async compile(replica: Replica, shape: StageShape, bucketBytes: number): Promise<StageProgram> {
    await replica.beginStage(stageState(shape));
    const buckets = stageBuckets(shape, bucketBytes);
    const slots = new Slots(replica, shape, buckets);
    await slots.reserve(1);
    return new StageProgram(shape, buckets, replica, slots);
  }
}

/** Whatever a step of the stage changes, but for optimiser slots: what is wrong with one shows in its weight a step later. */
function changedBy(shape: StageShape, replica: Replica): Variable[] {
  const names = [...shape.trained, ...shape.observedStatistics].map(({ name }) => name);
  const averages = shape.config.ema === undefined ? [] : names.map((name) => replica.evaluated(name));
  const scale = shape.lossScale.kind === 'dynamic' ? [replica.state(lossScaleState.name)] : [];
  return [...names.map((name) => replica.trained(name)), ...averages, ...scale];
}
