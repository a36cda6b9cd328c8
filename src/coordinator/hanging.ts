/** Whom a step waits for. */
import type { WorkerConnection } from './worker-connection.js';

/** In these a rank waits for others, or has done its part of the step. */
const waiting: ReadonlySet<string> = new Set(['gather', 'reduce', 'commit']);

/**
 * The member that keeps the others from reducing a step. None of them can end it without all the rest, so whoever's
 * deadline passes first is most likely one that waits.
 *
 * @param late whose deadline has passed: it is the one if all wait
 */
export function hangingMember<W extends Pick<WorkerConnection, 'phase' | 'loss'>>(
  members: readonly W[],
  late: W,
): W {
  const computes = ({ phase, loss }: W) => loss === undefined && !waiting.has(phase);
  return computes(late) ? late : (members.find(computes) ?? late);
}
