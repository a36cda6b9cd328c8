/** What a worker needs to join a run: where its coordinator is, the coordinator's key, and the run's token. */
import { closeSync, fstatSync, openSync, readFileSync, rmSync } from 'node:fs';
import { curveKeyPair } from 'zeromq';
import { z } from 'zod';
import { isSystemError, writeAtomically } from '../checkpoint/durable.js';
import { LockstepError } from '../errors.js';

/** A CURVE key of 32 bytes in Z85, as ZeroMQ writes it. */
const keySchema = z.string().length(40);

const keyPairSchema = z.strictObject({ publicKey: keySchema, secretKey: keySchema });
export type KeyPair = z.infer<typeof keyPairSchema>;

const joinSchema = z.strictObject({
  /** The coordinator's ZeroMQ endpoint, as workers reach it. */
  endpoint: z.string().regex(/^tcp:\/\/\S+:\d+$/),
  /** Whether the run's sockets use CURVE; otherwise PLAIN, for loopback. */
  encrypted: z.boolean(),
  /** What the coordinator proves with CURVE that it has the other half of. */
  coordinatorKey: keySchema,
  /** The run's: who has its secret half belongs to the run. */
  token: keyPairSchema,
});
export type Join = z.infer<typeof joinSchema>;

/** The environment variable that holds a join file's text, for workers that a coordinator launches. */
export const joinVariable = 'LOCKSTEP_JOIN';

/** A new token, or a new pair of keys for the coordinator. */
export function newKeyPair(): KeyPair {
  return curveKeyPair();
}

/** Writes the file in one go, readable by this user only. @throws what the file system throws */
export async function writeJoinFile(path: string, join: Join): Promise<void> {
  await writeAtomically(path, `${JSON.stringify(join, null, 2)}\n`, 0o600);
}

export function removeJoinFile(path: string): void {
  rmSync(path, { force: true });
}

/** @throws LockstepError USAGE when there is none, others may read it, or it is damaged */
export function readJoinFile(path: string): Join {
  let text: string;
  let fd: number | undefined;
  try {
    fd = openSync(path, 'r');
    if ((fstatSync(fd).mode & 0o077) !== 0) {
      throw new LockstepError(
        'USAGE',
        `Join file ${path} can be read by other users: its token is no secret.`,
        {
          hint: `chmod 600 ${path}, and start the run again if others may have read it.`,
        },
      );
    }
    text = readFileSync(fd, 'utf8');
  } catch (cause) {
    if (cause instanceof LockstepError) throw cause;
    const why = isSystemError(cause, 'ENOENT') ? 'it is not there' : (cause as Error).message;
    throw new LockstepError('USAGE', `Join file ${path} can't be read: ${why}.`, { cause, hint: whoWrites });
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
  return parseJoin(text, `Join file ${path}`);
}

/** @throws LockstepError USAGE that names `source`, and never repeats what is in it */
export function parseJoin(text: string, source: string): Join {
  try {
    return joinSchema.parse(JSON.parse(text));
  } catch {
    // No cause: a parser's message may hold the token.
    throw new LockstepError('USAGE', `${source} is damaged.`, { hint: whoWrites });
  }
}

const whoWrites = 'The coordinator writes it into its run folder, as join.json, when it starts.';
