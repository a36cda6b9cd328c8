/** A stage compiled: the traced functions of its step. */
import { isContrastive } from '../shared/config/objectives.js';
import type { TracedFunction } from '../shared/engine/traced-function.js';
import { slotNames } from '../shared/optimizer/optimizer.js';
import type { Bucket } from '../shared/plan/buckets.js';
import { traceApply } from './functions/apply.js';
import { traceFingerprint } from './functions/fingerprint.js';
import { traceEmbed, traceForwardBackward } from './functions/forward-backward.js';
import { traceObjective } from './functions/objective.js';
import type { Replica } from './replica.js';
import { Slots } from './slots.js';
import { type StageShape, stageBuckets } from './stage-shape.js';

/** How a worker's micro-batches are computed. */
export type Passes =
  /** `embed` is for contrastive stages with more than one micro-batch a worker. */
  | { readonly kind: 'in turn'; readonly forwardBackward: TracedFunction; readonly embed?: TracedFunction }
  | { readonly kind: 'together'; readonly slots: Slots };

export class StageProgram {
  readonly passes: Passes;
  readonly apply: TracedFunction;
  readonly fingerprint: TracedFunction;
  /** Of contrastive stages only. */
  readonly objective: TracedFunction | undefined;

  private constructor(
    readonly shape: StageShape,
    readonly buckets: readonly Bucket[],
    replica: Replica,
  ) {
    const { index, config, input, microBatches } = shape;
    this.passes = passesOf(replica, shape, buckets);
    this.apply = traceApply(replica, shape, buckets);
    const changed = [
      ...shape.trained.map(({ name }) => replica.parameter(name)),
      ...shape.observedStatistics.map(({ name }) => replica.statistic(name)),
    ];
    this.fingerprint = traceFingerprint(replica.session, `stage ${index}: fingerprint`, changed);
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
  reserve(microBatches: number): void {
    if (this.passes.kind === 'together') this.passes.slots.reserve(microBatches);
  }

  /** Starts the stage's optimiser at zero and traces its functions. */
  static async compile(replica: Replica, shape: StageShape, bucketBytes: number): Promise<StageProgram> {
    await replica.resetSlots(slotNames(shape.config.optimizer), shape.trained);
    return new StageProgram(shape, stageBuckets(shape, bucketBytes), replica);
  }
}

function passesOf(replica: Replica, shape: StageShape, buckets: readonly Bucket[]): Passes {
  if (shape.synchronized) return { kind: 'together', slots: new Slots(replica, shape, buckets) };
  return {
    kind: 'in turn',
    forwardBackward: traceForwardBackward(
      `stage ${shape.index}: forward and backward`,
      replica,
      shape,
      buckets,
    ),
    ...(isContrastive(shape.config) ? { embed: traceEmbed(replica, shape) } : {}),
  };
}
