/** The half of a step after its commit: the reduced gradients change the replica. */
import type { StageConfig } from '../shared/config/schema.js';
import { bucketPort } from './functions/forward-backward.js';
import type { StageProgram } from './stage-program.js';

/** @returns the gradients' global norm before clipping. */
export async function applyStep(
  program: StageProgram,
  learningRate: number,
  stepInStage: number,
): Promise<number> {
  const buckets = Object.fromEntries(program.reduced.map((tensor, index) => [bucketPort(index), tensor]));
  const { gradNorm } = await program.apply.run({
    ...buckets,
    learningRate: [learningRate],
    ...biasCorrection(program.shape.config.optimizer, stepInStage + 1),
  });
  try {
    return gradNorm!.scalar;
  } finally {
    gradNorm!.free();
  }
}

/** Adam's β^t. The power is taken here, in float64, once for all parameters. */
function biasCorrection(optimizer: StageConfig['optimizer'], t: number): Record<string, number[]> {
  if (optimizer.kind !== 'adam') return {};
  return { beta1Power: [optimizer.beta1 ** t], beta2Power: [optimizer.beta2 ** t] };
}
