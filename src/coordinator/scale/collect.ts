/** The parts of a study put together: the same study.json as of a study that ran in one go, and what is missing. */
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { isSystemError } from '../../shared/checkpoint/durable.js';
import { LockstepError } from '../../shared/errors.js';
import { failedPartFileAt, failedPartSchema, partFileAt, partsFolder } from './part.js';
import { interleaved, type PlannedRun } from './plan.js';
import {
  type MissingRun,
  readStudyFile,
  type Study,
  type StudyHeader,
  type StudyRun,
  writeStudy,
} from './study.js';

/** What may differ from part to part: where and when it ran. */
const own: readonly (keyof StudyHeader)[] = ['startedAt', 'commandLine', 'machine'];

/**
 * Reads all parts and writes study.json. A part that failed, is damaged or is not there is in `missing`.
 * @throws LockstepError RUN_FOLDER when no part has a result, or parts belong to different studies
 */
export async function collectStudy(folder: string): Promise<Study> {
  const parts: { readonly path: string; readonly study: Study }[] = [];
  const damaged = new Map<string, string>();
  for (const path of await partPaths(folder)) {
    try {
      parts.push({ path, study: await readStudyFile(path) });
    } catch (error) {
      damaged.set(path, (error as Error).message);
    }
  }
  parts.sort((one, other) => Date.parse(one.study.startedAt) - Date.parse(other.study.startedAt));
  const [first] = parts;
  if (first === undefined) throw nothing(folder, [...damaged.values(), ...(await failures(folder))]);
  for (const { path, study } of parts) sameStudy(first, { path, study });
  const { runs: _, ...header } = first.study;
  const runs = parts.flatMap(({ study }) => study.runs);
  const missing = await Promise.all(
    interleaved(header.workers, header.repeats)
      .filter((planned) => !runs.some((run) => isRun(planned, run)))
      .map(async (planned): Promise<MissingRun> => {
        const why =
          damaged.get(partFileAt(folder, planned)) ?? (await failureOf(failedPartFileAt(folder, planned)));
        return { ...planned, why: why ?? 'it has left nothing: its job has not ended, or was killed.' };
      }),
  );
  const study: Study = { ...header, runs, missing };
  await writeStudy(folder, study);
  return study;
}

const isRun = (planned: PlannedRun, { workers, repeat }: StudyRun): boolean =>
  workers === planned.workers && repeat === planned.repeat;

/** @throws LockstepError RUN_FOLDER that names what differs */
function sameStudy(
  first: { readonly path: string; readonly study: Study },
  other: { readonly path: string; readonly study: Study },
): void {
  const keys = new Set([...Object.keys(first.study), ...Object.keys(other.study)] as (keyof Study)[]);
  for (const key of keys) {
    if (key === 'runs' || key === 'missing' || own.includes(key)) continue;
    if (isDeepStrictEqual(first.study[key], other.study[key])) continue;
    throw new LockstepError(
      'RUN_FOLDER',
      `${first.path} and ${other.path} are of different studies: they differ in '${key}'.`,
      { hint: 'Measure all parts with the same command, or remove those that do not belong.' },
    );
  }
}

async function partPaths(folder: string): Promise<string[]> {
  const parts = partsFolder(folder);
  try {
    const names = await readdir(parts);
    return names
      .filter((name) => /^\d+-\d+\.json$/.test(name))
      .sort()
      .map((name) => join(parts, name));
  } catch (cause) {
    if (!isSystemError(cause, 'ENOENT', 'ENOTDIR')) throw cause;
    throw new LockstepError('RUN_FOLDER', `${folder} holds no parts of a study.`, {
      cause,
      hint: 'Parts are what `lockstep scale CONFIG --only N,REPEAT` leaves.',
    });
  }
}

/** What the parts that failed say. */
async function failures(folder: string): Promise<string[]> {
  const names = (await readdir(partsFolder(folder))).filter((name) => name.endsWith('.failed.json'));
  const why = await Promise.all(names.sort().map((name) => failureOf(join(partsFolder(folder), name))));
  return why.filter((text) => text !== undefined);
}

async function failureOf(path: string): Promise<string | undefined> {
  if (!existsSync(path)) return undefined;
  try {
    return failedPartSchema.parse(JSON.parse(await readFile(path, 'utf8'))).why;
  } catch (cause) {
    return `${path} can't be read: ${(cause as Error).message}.`;
  }
}

function nothing(folder: string, why: readonly string[]): LockstepError {
  const reasons = [...new Set(why)].slice(0, 3).join(' ');
  return new LockstepError(
    'RUN_FOLDER',
    `No part of the study in ${folder} has a result. ${reasons}`.trim(),
    {
      hint: 'What its jobs printed says more.',
    },
  );
}
