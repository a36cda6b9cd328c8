/** When things happened in one step on one rank: what the timeline of a step is drawn from. */
import { z } from 'zod';

/** More than these are left out, so that a trace stays small whatever the config. */
export const traceLimits = { runs: 64, gathers: 128, buckets: 128 } as const;

/** Milliseconds since the rank began the step, by its own clock. */
const at = z.number().nonnegative();
const span = z.tuple([at, at]);

export const stepTraceSchema = z.strictObject({
  /** Making this step's batch; and the next one's, while others still reduce. */
  input: z.array(span).max(2),
  /** Of the graph: one a micro-batch, and one more to embed it first. */
  runs: z.array(span).max(traceLimits.runs),
  /** From giving our values to having those of all: embeddings, BatchNorm's statistics. */
  gathers: z.array(span).max(traceLimits.gathers),
  /**
   * By the number of the bucket: when our sum left the graph, when our slice of all sums was complete (null for
   * a rank without a slice), and when the whole bucket was back.
   */
  buckets: z.array(z.tuple([at, at.nullable(), at])).max(traceLimits.buckets),
  /** Bytes of each of those buckets. */
  bytes: z.array(z.int().nonnegative()).max(traceLimits.buckets),
  /** When the finished sums were reported, and when the commit came. */
  reported: at,
  committed: at,
  applied: span,
});
export type StepTrace = z.infer<typeof stepTraceSchema>;
