/** The contrastive loss of the gathered global batch, and each micro-batch's part of its gradient. */
import type { StepResult } from '../shared/protocol/messages.js';
import type { Gather } from './exchange/gather.js';
import type { StageProgram } from './stage-program.js';

/** The global loss from everybody's rows, and its gradient with respect to them [B,d]. */
export async function globalObjective(
  program: StageProgram,
  gather: Gather,
): Promise<{ readonly result: StepResult; readonly upstream: Float32Array }> {
  const [rows, labels] = await Promise.all([gather.result('embeddings'), gather.result('labels')]);
  const { loss, excess, upstream } = await program.objective!.run({
    rows,
    labels: Int32Array.from(labels),
  });
  const result = { loss: loss!.scalar, accuracy: null, excess: excess?.scalar ?? null };
  const gradient = upstream!.floats.slice();
  for (const tensor of [loss, excess, upstream]) tensor?.free();
  return { result, upstream: gradient };
}

/** Micro-batch k's rows of the gradient. */
export function rowsOf(upstream: Float32Array, k: number, microBatches: number): Float32Array {
  const size = upstream.length / microBatches;
  return upstream.subarray(k * size, (k + 1) * size);
}
