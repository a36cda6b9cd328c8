/** How messages become bytes: msgpack with a cap before decoding and a schema after it, and the header of bulk data. */
import { Packr } from 'msgpackr';
import { z } from 'zod';
import { LockstepError } from '../errors.js';
import { valueTypes } from './values.js';

// Without records a message can be read alone; with `moreTypes` typed arrays keep their type.
const packr = new Packr({ useRecords: false, moreTypes: true });

/** The most bytes of a control message that are decoded; bulk data never travels inside one. */
export const maxControlBytes = 4 << 20;

/** The most parts of a bulk message. */
export const mostParts = 64;
/** The most bytes of a bulk message's header: of each part a few names and numbers, and the squares of 4 MiB in blocks of 16 kB. */
export const maxHeaderBytes = mostParts * 4096;

/** A message as bytes. The buffer is not reused, so it may be sent without a copy. */
export function encode(value: unknown): Buffer {
  return packr.pack(value);
}

/**
 * A message from bytes that came over the network.
 *
 * @throws LockstepError PROTOCOL when it is longer than `maxBytes`, is not msgpack, or does not fit the schema
 */
export function decode<T>(bytes: Uint8Array, schema: z.ZodType<T>, maxBytes = maxControlBytes): T {
  if (bytes.byteLength > maxBytes) {
    throw new LockstepError(
      'PROTOCOL',
      `A message of ${bytes.byteLength} bytes came where ${maxBytes} is the most.`,
    );
  }
  let value: unknown;
  try {
    value = packr.unpack(bytes);
  } catch (cause) {
    throw new LockstepError('PROTOCOL', `A message of ${bytes.byteLength} bytes is not msgpack.`, { cause });
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const where = issue === undefined || issue.path.length === 0 ? 'message' : issue.path.join('.');
  throw new LockstepError(
    'PROTOCOL',
    `A message does not fit the protocol: ${where}: ${issue?.message ?? 'invalid'}.`,
    {
      hint: 'Do all processes run the same version of Lockstep?',
      cause: parsed.error,
    },
  );
}

const count = z.int().nonnegative();

/** The generation's secret, which its members have from the coordinator: nobody else can speak for them. */
const ticket = z.string().max(64);

export const bulkKinds = ['contribution', 'result', 'embedding'] as const;
export type BulkKind = (typeof bulkKinds)[number];

/** What goes with values on their way from worker to worker. */
const bulkPartSchema = z.strictObject({
  kind: z.enum(bulkKinds),
  step: count,
  /** The bucket's index, or the name of what is gathered. */
  bucket: z.union([count, z.string().max(64)]),
  /** The micro-batches [lo, hi) that are summed in the values. */
  node: z.tuple([count, count]),
  /** Where the values begin in the bucket, in values. */
  start: count,
  /** How many values. */
  length: count,
  type: z.enum(valueTypes),
  /** The sums of a result's squares, float64: see `squaresBlock`. */
  squares: z.instanceof(Uint8Array).optional(),
  /** Where they lie in shared memory, in bytes; absent when they follow as frames. */
  at: z.strictObject({ memory: z.enum(['sender', 'sums']), offset: count }).optional(),
});
export type BulkPart = z.infer<typeof bulkPartSchema>;

/** Values for a peer: parts in shared memory, or one whose values follow as frames. */
export const bulkSchema = z
  .strictObject({
    kind: z.literal('bulk'),
    generation: count,
    ticket,
    /** The sender's rank. */
    from: count,
    parts: z.array(bulkPartSchema).min(1).max(mostParts),
  })
  .refine(({ parts }) => parts.length === 1 || parts.every(({ at }) => at !== undefined), {
    path: ['parts'],
    message: 'frames belong to one part only',
  });
export type Bulk = z.infer<typeof bulkSchema>;

/** A part, and whose it is. */
export type BulkHeader = BulkPart & Pick<Bulk, 'from'>;

const sharedMemorySchema = z.strictObject({ path: z.string().max(512), bytes: count }).nullable();

/** The first message on a link: who sends, and where its shared memory is. */
const helloSchema = z.strictObject({
  kind: z.literal('hello'),
  generation: count,
  ticket,
  from: count,
  /** What it sends from. */
  region: sharedMemorySchema,
  /** The host's memory for sums, where the sender has made it. */
  sums: sharedMemorySchema,
});
export type Hello = z.infer<typeof helloSchema>;

/** The answer to a hello: it arrived, and whether the sender's memory could be mapped. */
const welcomeSchema = z.strictObject({
  kind: z.literal('welcome'),
  generation: count,
  ticket,
  from: count,
  mapped: z.boolean(),
});

/** Everything that travels between workers. */
export const peerMessageSchema = z.discriminatedUnion('kind', [helloSchema, welcomeSchema, bulkSchema]);
export type PeerMessage = z.infer<typeof peerMessageSchema>;
