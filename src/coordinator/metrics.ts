/** metrics.jsonl: one event a line, written as it happens and read back by reports, plots and TensorBoard export. */
import { closeSync, existsSync, openSync, writeSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { isSystemError, writeAtomically } from '../shared/checkpoint/durable.js';
import { LockstepError } from '../shared/errors.js';

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
  imagesPerSec: z.number(),
  workers: z.int().positive(),
  /** Milliseconds of the slowest worker. */
  ms: z.strictObject({
    total: z.number(),
    input: z.number(),
    compute: z.number(),
    exposedComm: z.number(),
    commit: z.number(),
  }),
  /** n-pairs: the loss above its floor, comparable across batch sizes. */
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

export const metricsEventSchema = z.discriminatedUnion('type', [
  stepEventSchema,
  evalEventSchema,
  generationEventSchema,
]);
export type StepEvent = z.infer<typeof stepEventSchema>;
export type EvalEvent = z.infer<typeof evalEventSchema>;
export type MetricsEvent = z.infer<typeof metricsEventSchema>;

/**
 * Appends events to a file. Each is in the kernel's hands when `append` returns, so a process that dies loses none; while
 * the disk is full they wait, and go with a later one.
 */
export class MetricsWriter {
  private readonly descriptor: number;
  /** What the disk had no room for. */
  #waiting = Buffer.alloc(0);

  constructor(readonly path: string) {
    this.descriptor = orThrow(path, () => openSync(path, 'a'));
  }

  append(event: MetricsEvent): void {
    this.#waiting = Buffer.concat([this.#waiting, Buffer.from(`${JSON.stringify(event)}\n`)]);
    orThrow(this.path, () => {
      try {
        this.#write();
      } catch (error) {
        if (!isSystemError(error, 'ENOSPC', 'EDQUOT')) throw error;
      }
    });
  }

  /** @throws LockstepError RUN_FOLDER when events still wait for room */
  close(): void {
    try {
      orThrow(this.path, () => this.#write());
    } finally {
      closeSync(this.descriptor);
    }
  }

  #write(): void {
    while (this.#waiting.length > 0) {
      this.#waiting = this.#waiting.subarray(writeSync(this.descriptor, this.#waiting));
    }
  }
}

/** Reads all events of a file. A torn last line, left by a kill, is passed over; any other bad line is an error that names it. */
export async function readMetrics(path: string): Promise<MetricsEvent[]> {
  return (await readLines(path)).map((line, index) => {
    const parsed = metricsEventSchema.safeParse(parseJson(line));
    if (!parsed.success) {
      const why = z.prettifyError(parsed.error).replace(/\s+/g, ' ');
      throw new LockstepError('RUN_FOLDER', `${path}, line ${index + 1} is no event: ${why}.`);
    }
    return parsed.data;
  });
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

function orThrow<T>(path: string, write: () => T): T {
  try {
    return write();
  } catch (cause) {
    const full = isSystemError(cause, 'ENOSPC', 'EDQUOT');
    throw new LockstepError(
      'RUN_FOLDER',
      full ? `No space left for ${path}.` : `${path} can't be written: ${(cause as Error).message}.`,
      full ? { cause, hint: 'Free some space and start again with --resume.' } : { cause },
    );
  }
}
