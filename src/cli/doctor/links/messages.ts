/** What the doctors of several hosts say to each other: one is the hub, the others are members. */
import { z } from 'zod';
import { peerSchema } from '../../../shared/protocol/messages.js';
import { subjects } from '../finding.js';
import { measurementSchema } from './measurement.js';

const hostReportSchema = z.strictObject({
  host: z.string(),
  findings: z.array(
    z.strictObject({
      subject: z.enum(subjects),
      check: z.string(),
      level: z.enum(['ok', 'warning', 'failure']),
      value: z.string(),
      advice: z.string().exactOptional(),
      facts: z.record(z.string(), z.unknown()).exactOptional(),
    }),
  ),
});
export const memberMessageSchema = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('register'),
    version: z.string(),
    peer: peerSchema.omit({ rank: true }),
  }),
  /** What the member found on its host, which it looks at once it is welcome. */
  z.strictObject({ type: z.literal('report'), report: hostReportSchema }),
  /** The link of this generation is there; the first of the two may ask. */
  z.strictObject({ type: z.literal('linked'), generation: z.int() }),
  z.strictObject({ type: z.literal('measured'), generation: z.int(), measurement: measurementSchema }),
  /** The link of this generation could not be made, or broke. */
  z.strictObject({ type: z.literal('failed'), generation: z.int(), message: z.string() }),
]);
export type MemberMessage = z.infer<typeof memberMessageSchema>;

export const hubMessageSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('welcome') }),
  /** Make a link of these two. */
  z.strictObject({
    type: z.literal('link'),
    generation: z.int(),
    rank: z.int().min(0).max(1),
    ticket: z.string(),
    peers: z.array(peerSchema).length(2),
    deadlineMs: z.number().positive(),
  }),
  /** To the first of them. */
  z.strictObject({ type: z.literal('measure'), generation: z.int() }),
  /** That was all: with an error if this member is not wanted. */
  z.strictObject({ type: z.literal('end'), error: z.string().nullable() }),
]);
export type HubMessage = z.infer<typeof hubMessageSchema>;
