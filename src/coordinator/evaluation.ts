/** An evaluation dealt over the workers, and its total. */
import type { Range } from '../shared/plan/range.js';
import type { EvaluationSums } from '../shared/protocol/messages.js';
import { sameEverywhere } from './commit.js';
import type { WorkerGroup } from './worker-group.js';

export interface EvaluationResult {
  /** Mean cross-entropy in nats. */
  readonly loss: number;
  /** Fraction of right answers. */
  readonly accuracy: number;
}

export interface EvaluationPlan {
  readonly stage: number;
  readonly images: number;
  readonly batchSize: number;
  readonly deadlineMs: number;
}

/** Batches of `batchSize` images, contiguous shares; every image counts once whatever the number of workers. */
export async function evaluate(group: WorkerGroup, plan: EvaluationPlan): Promise<EvaluationResult> {
  const batches = Math.ceil(plan.images / plan.batchSize);
  const { length: worldSize } = group.members;
  await Promise.all(
    group.members.map((_, rank) =>
      group.send(rank, { type: 'evaluate', stage: plan.stage, batches: shareOf(rank, worldSize, batches) }),
    ),
  );
  const reports = await group.collect('evaluated', plan.deadlineMs);
  sameEverywhere(
    reports.map(({ fingerprint }) => fingerprint),
    'evaluated weights',
    (rank) => group.nameOf(rank),
  );
  return total(reports.flatMap(({ sums }) => sums));
}

/** A contiguous share, empty where there are more workers than batches. */
export function shareOf(rank: number, worldSize: number, batches: number): Range {
  return { lo: Math.floor((rank * batches) / worldSize), hi: Math.floor(((rank + 1) * batches) / worldSize) };
}

/** Sums in order of the batches, so that the shares leave no trace in the bits. */
export function total(sums: readonly EvaluationSums[]): EvaluationResult {
  const ordered = [...sums].sort((a, b) => a.batch - b.batch);
  const sum = (value: (s: EvaluationSums) => number) => ordered.reduce((acc, s) => acc + value(s), 0);
  const count = sum((s) => s.count);
  return { loss: sum((s) => s.loss) / count, accuracy: sum((s) => s.correct) / count };
}
