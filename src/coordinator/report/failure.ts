/** Why a run has failed: the last word of its coordinator's log, if that is an error. A run that goes on has said more. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';

const errorSchema = z.object({ level: z.literal(50), msg: z.string() });

/** @returns the error's line; undefined for a run that has not failed, or has no log */
export async function failureOf(logs: string): Promise<string | undefined> {
  const text = await readFile(join(logs, 'coordinator.log'), 'utf8').catch(() => '');
  const last = text.trimEnd().split('\n').at(-1) ?? '';
  try {
    return errorSchema.safeParse(JSON.parse(last)).data?.msg;
  } catch {
    return undefined;
  }
}
