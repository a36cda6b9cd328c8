/** A stage compiled: the traced functions of its step. */
import type { TracedFunction } from '../shared/engine/traced-function.js';
import { slotNames } from '../shared/optimizer/optimizer.js';
import type { Bucket } from '../shared/plan/buckets.js';
import { traceApply } from './functions/apply.js';
import { traceFingerprint } from './functions/fingerprint.js';
import { traceEmbed, traceForwardBackward } from './functions/forward-backward.js';
import { traceObjective } from './functions/objective.js';
import type { Replica } from './replica.js';
import { type StageShape, stageBuckets } from './stage-shape.js';

export class StageProgram {
  readonly forwardBackward: TracedFunction;
  readonly apply: TracedFunction;
  readonly fingerprint: TracedFunction;
  /** n-pairs only. */
  readonly contrastive: { readonly embed: TracedFunction; readonly objective: TracedFunction } | undefined;

  private constructor(
    readonly shape: StageShape,
    readonly buckets: readonly Bucket[],
    replica: Replica,
  ) {
    const { index, config, input, microBatches } = shape;
    this.forwardBackward = traceForwardBackward(replica, shape, buckets);
    this.apply = traceApply(replica, shape, buckets);
    const changed = [
      ...shape.trained.map(({ name }) => replica.parameter(name)),
      ...shape.observedStatistics.map(({ name }) => replica.statistic(name)),
    ];
    this.fingerprint = traceFingerprint(replica.session, `stage ${index}: fingerprint`, changed);
    this.contrastive =
      config.objective === 'npairs'
        ? {
            embed: traceEmbed(replica, shape),
            objective: traceObjective(replica.session, `stage ${index}: objective`, {
              globalBatch: microBatches * input.count,
              width: replica.model.embeddingWidth,
              temperature: config.temperature,
            }),
          }
        : undefined;
  }

  /** Starts the stage's optimiser at zero and traces its functions. */
  static async compile(replica: Replica, shape: StageShape, bucketBytes: number): Promise<StageProgram> {
    await replica.resetSlots(slotNames(shape.config.optimizer), shape.trained);
    return new StageProgram(shape, stageBuckets(shape, bucketBytes), replica);
  }
}
