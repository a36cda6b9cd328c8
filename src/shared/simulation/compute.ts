/** Compute that is only waited for, so that more workers than cores can be studied. It changes no result. */
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';

export const simulatedComputeSchema = z.strictObject({
  /** What a micro-batch takes in ms, beside what is really computed. */
  ms: z.number().nonnegative(),
  /** A rank that takes longer, by this factor. */
  slow: z.strictObject({ rank: z.int().nonnegative(), factor: z.number().positive() }).optional(),
});
export type SimulatedCompute = z.infer<typeof simulatedComputeSchema>;

/** How the coordinator's process tells the workers that it starts. */
const variable = 'LOCKSTEP_SIMULATED_COMPUTE';

export function simulatedComputeEnvironment(compute: SimulatedCompute | undefined): NodeJS.ProcessEnv {
  return compute === undefined ? {} : { [variable]: JSON.stringify(compute) };
}

/** What a rank waits for so many micro-batches; nothing unless its process was told to. */
export function simulatedMs(compute: SimulatedCompute, rank: number, microBatches: number): number {
  const { ms, slow } = compute;
  return ms * microBatches * (slow?.rank === rank ? slow.factor : 1);
}

const own = process.env[variable];
const ofThisProcess = own === undefined ? undefined : simulatedComputeSchema.parse(JSON.parse(own));

/** Waits as long as this process's rank is to seem to compute. */
export async function simulateCompute(rank: number, microBatches: number): Promise<void> {
  if (ofThisProcess !== undefined) await sleep(simulatedMs(ofThisProcess, rank, microBatches));
}
