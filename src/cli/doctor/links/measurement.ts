/** What was measured of a link between two processes. */
import { z } from 'zod';

const positive = z.number().positive();

export const measurementSchema = z.strictObject({
  /** How payloads travel. */
  path: z.enum(['frames', 'shared memory']),
  /** Of a message of 64 bytes, one way: half of a round trip. */
  latencyMs: z.strictObject({ median: positive, p99: positive, min: positive, samples: z.int().positive() }),
  /** Half of the median round trip of a message of that size, there and back. */
  points: z.array(
    z.strictObject({ bytes: z.int().positive(), ms: positive, bytesPerSecond: positive, samples: z.int() }),
  ),
  /** Many messages of `streamBytes` in a row, one way, until the last has arrived. */
  oneWayBytesPerSecond: positive,
  /** The same in both directions at once, as in an all-reduce: of one direction. */
  bothWaysBytesPerSecond: positive,
  /** How far the second's wall clock is ahead of the first's. */
  skewMs: z.number(),
  /** The most that `skewMs` may be wrong by: half of the fastest round trip. */
  skewUncertaintyMs: z.number(),
});
export type Measurement = z.infer<typeof measurementSchema>;
