/** A simulated network: every worker has one link to a switch that never blocks, with a rate and a delay. */
import { z } from 'zod';
import { LockstepError } from '../errors.js';

export const linkSchema = z.strictObject({
  /** Of each worker, in each direction. */
  bytesPerSecond: z.number().positive(),
  /** From the sender's first byte to the receiver's. */
  delayMs: z.number().nonnegative(),
});
export type Link = z.infer<typeof linkSchema>;

/**
 * Reads RATE,DELAY, such as 10gbit,0.05ms or 100mbit,2ms.
 * @throws LockstepError USAGE
 */
export function parseLink(text: string): Link {
  const found = /^(\d+(?:\.\d+)?)(k|m|g)bit,(\d+(?:\.\d+)?)ms$/i.exec(text.trim());
  const [, rate, prefix, delay] = found ?? [];
  const bits = Number(rate) * ({ k: 1e3, m: 1e6, g: 1e9 }[prefix?.toLowerCase() ?? ''] ?? Number.NaN);
  if (!(bits > 0)) {
    throw new LockstepError('USAGE', `'${text}' is no link.`, {
      hint: 'Give rate and delay, as in 10gbit,0.05ms.',
    });
  }
  return { bytesPerSecond: bits / 8, delayMs: Number(delay) };
}
