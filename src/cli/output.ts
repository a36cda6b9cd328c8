/** How commands end: results on stdout, one clear line for what went wrong on stderr, and the exit code. */
import type { Argv } from 'yargs';
import { LockstepError } from '../shared/errors.js';

/** One JSON document on stdout. */
export function print(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}

/** Runs a command; an error becomes one line and exit code 1, or 2 for wrong usage. */
export async function runCommand(json: boolean, command: () => Promise<void>): Promise<void> {
  try {
    await command();
  } catch (error) {
    report(error, json);
  }
  // Sockets and native threads may keep the event loop alive; the command is over.
  process.exit();
}

function report(error: unknown, json: boolean): void {
  const known = error instanceof LockstepError;
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`lockstep: error: ${oneLine(known ? error.line : message)}\n`);
  if (process.env.LOCKSTEP_DEBUG !== undefined && error instanceof Error)
    process.stderr.write(`${error.stack}\n`);
  if (json) {
    const { code, hint } = known
      ? { code: error.code, hint: error.details.hint }
      : { code: 'UNKNOWN', hint: undefined };
    print({ error: { code, message, hint } });
  }
  process.exitCode = known && error.code === 'USAGE' ? 2 : 1;
}

/** What yargs calls when the command line is wrong. */
export function reportUsage(message: string, error: Error | undefined, yargs: Argv): void {
  if (error !== undefined && message === undefined) throw error;
  process.stderr.write(`lockstep: error: ${oneLine(message)} See: lockstep --help\n`);
  void yargs;
  process.exit(2);
}

function oneLine(text: string): string {
  return text.replace(/\s*\n\s*/g, ' ');
}
