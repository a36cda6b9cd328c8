/** metrics.jsonl: one event a line, written as it happens and read back by reports, plots and TensorBoard export. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { writeAtomically } from '../shared/checkpoint/durable.js';
import { LockstepError } from '../shared/errors.js';
import { stepTraceSchema } from '../shared/protocol/step-trace.js';
import { whyUnreadable } from '../shared/unreadable.js';
import { AppendFile } from './append-file.js';

const count = z.int().nonnegative();

/** JSON has no NaN or infinity: a diverged value is written as null and read as NaN. */
const measured = z.preprocess(
  (value) => (value === null ? Number.NaN : value),
  z.union([z.number(), z.nan()]),
);

/** Where an event belongs: the stage's name, epochs of that stage from 1, commits counted over the whole run. */
const place = { stage: z.string(), epoch: count, step: count };

export const stepEventSchema = z.strictObject({
  type: z.literal('step'),
  ...place,
  /** Training samples so far in this stage. */
  samples: count,
  loss: measured,
  lr: z.number(),
  /** Of the whole gradient, before clipping. */
  gradNorm: measured,
  /** What the loss was multiplied by, where the scale is dynamic. */
  lossScale: z.number().optional(),
  /** Gradients overflowed with this scale: the step was committed and has changed nothing but the scale. */
  skipped: z.literal(true).optional(),
  imagesPerSec: z.number(),
  workers: z.int().positive(),
  /** Milliseconds of the worker that computed longest. */
  ms: z.strictObject({
    total: z.number(),
    input: z.number(),
    compute: z.number(),
    exposedComm: z.number(),
    commit: z.number(),
    /** What a worker waited for the slowest one, as a mean over all. */
    waiting: z.number().optional(),
  }),
  /** The rank that the others waited for: longest busy with input and computing. */
  slowest: count.optional(),
  /** n-pairs and SupCon: the loss above its floor, comparable across batch sizes. */
  excess: measured.optional(),
  /** Softmax: the share of the global batch that was right, 0 to 1. */
  accuracy: measured.optional(),
});

export const evalEventSchema = z.strictObject({
  type: z.literal('eval'),
  ...place,
  loss: measured,
  /** 0 to 1. */
  accuracy: measured,
  /** Of what: the average over the stage's steps, where it has one. */
  weights: z.literal('ema').optional(),
});

/** Who takes part has changed after `step`: a worker was lost, or has come. */
export const generationEventSchema = z.strictObject({
  type: z.literal('generation'),
  ...place,
  generation: count,
  workers: z.int().positive(),
  /** Who was lost, how and in which phase; or who has joined. */
  reason: z.string(),
  /** From noticing until the next step could be dealt. */
  seconds: z.number(),
});

/** When things happened in one step: beside its step event, for a few steps of each stage (step-traces.ts). */
export const traceEventSchema = z.strictObject({
  type: z.literal('trace'),
  ...place,
  workers: z.int().positive(),
  /** Of each bucket. */
  bytes: stepTraceSchema.shape.bytes,
  /** Some of them, if there are many. Each counts from its own beginning of the step, by its own clock. */
  ranks: z.array(z.strictObject({ rank: count, ...stepTraceSchema.omit({ bytes: true }).shape })),
});

export const metricsEventSchema = z.discriminatedUnion('type', [
  stepEventSchema,
  evalEventSchema,
  generationEventSchema,
  traceEventSchema,
]);
export type StepEvent = z.infer<typeof stepEventSchema>;
export type EvalEvent = z.infer<typeof evalEventSchema>;
export type GenerationEvent = z.infer<typeof generationEventSchema>;
export type TraceEvent = z.infer<typeof traceEventSchema>;
export type MetricsEvent = z.infer<typeof metricsEventSchema>;

/** Appends events to a file, as they happen. */
export class MetricsWriter {
  readonly #file: AppendFile;

  /** @throws LockstepError RUN_FOLDER */
  constructor(path: string) {
    this.#file = new AppendFile(path);
  }

  append(event: MetricsEvent): void {
    this.#file.append(Buffer.from(`${JSON.stringify(event)}\n`));
  }

  /** Resolves when what was appended survives a power cut. @throws LockstepError RUN_FOLDER */
  sync(): Promise<void> {
    return this.#file.sync();
  }

  /** @throws LockstepError RUN_FOLDER when the disk has no room for all events */
  close(): void {
    this.#file.close();
  }
}

/** Reads all events of a file. A torn last line, left by a kill, is passed over; any other bad line is an error that names it. */
export async function readMetrics(path: string): Promise<MetricsEvent[]> {
  return (await readLines(path)).map((line, index) => parseEvent(line, path, index + 1));
}

/** One line as an event. @throws LockstepError RUN_FOLDER that names the line's number, counted from 1 */
export function parseEvent(line: string, path: string, number: number): MetricsEvent {
  const parsed = metricsEventSchema.safeParse(parseJson(line));
  if (parsed.success) return parsed.data;
  const why = whyUnreadable(parsed.error);
  throw new LockstepError('RUN_FOLDER', `${path}, line ${number} is no event: ${why}.`);
}

/** As `readMetrics`, for who wants what there is: bad lines are left out, and their numbers given. */
export async function salvageMetrics(
  path: string,
): Promise<{ readonly events: readonly MetricsEvent[]; readonly damaged: readonly number[] }> {
  const events: MetricsEvent[] = [];
  const damaged: number[] = [];
  for (const [index, line] of (await readLines(path)).entries()) {
    const parsed = metricsEventSchema.safeParse(parseJson(line));
    if (parsed.success) events.push(parsed.data);
    else damaged.push(index + 1);
  }
  return { events, damaged };
}

/** Drops what was recorded after `step`, before a run goes on from its checkpoint at that step. */
export async function rewindMetrics(path: string, step: number): Promise<void> {
  if (!existsSync(path)) return;
  const kept = (await readMetrics(path)).filter((event) => event.step <= step);
  await writeAtomically(path, kept.map((event) => `${JSON.stringify(event)}\n`).join(''));
}

async function readLines(path: string): Promise<string[]> {
  try {
    const lines = (await readFile(path, 'utf8')).split('\n');
    // What follows the last line break never was a whole event.
    lines.pop();
    return lines;
  } catch (cause) {
    throw new LockstepError('RUN_FOLDER', `${path} can't be read: ${(cause as Error).message}.`, { cause });
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
