/** How commands end: results on stdout, one clear line for what went wrong on stderr, and the exit code. */
import { Console } from 'node:console';
import { LockstepError } from '../shared/errors.js';

/** 0 done, 1 failed, 2 called wrongly. */
export type ExitCode = 0 | 1 | 2;

/** Where a command speaks; a test gives streams of its own. */
export interface CommandStreams {
  readonly stdout: NodeJS.WritableStream;
  readonly stderr: NodeJS.WritableStream;
  readonly env: NodeJS.ProcessEnv;
}

/** One JSON document on stdout. NaN and infinity, which JSON lacks, become null. */
export function print(value: unknown, stdout: NodeJS.WritableStream = process.stdout): void {
  stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}

/** Runs a command and ends the process: sockets and native threads may keep the event loop alive, but it is over. */
export async function runCommand(json: boolean, command: () => Promise<void>): Promise<void> {
  process.exit(await exitCodeOf(json, command));
}

/**
 * Runs a command; an error becomes one line on stderr and, with `json`, the document `{error: {code, message, hint}}`.
 * With `json` stdout belongs to the one document: what libraries print through `console` goes to stderr.
 */
export async function exitCodeOf(
  json: boolean,
  command: () => Promise<void>,
  streams: CommandStreams = process,
): Promise<ExitCode> {
  survivesClosedPipe(streams.stdout);
  const { console } = globalThis;
  if (json) globalThis.console = new Console(streams.stderr, streams.stderr);
  try {
    await command();
    return 0;
  } catch (error) {
    return report(error, json, streams);
  } finally {
    globalThis.console = console;
  }
}

/**
 * Ends the process when the command line is wrong, or when reading it has thrown `error`.
 *
 * @param commands the names of all commands
 */
export function reportUsage(
  message: string | null | undefined,
  error: Error | undefined,
  commands: readonly string[],
): void {
  const argv = process.argv.slice(2);
  const sentence = `${message}`.replace(/[^.]$/, '$&.');
  const usage = error ?? new LockstepError('USAGE', sentence, { hint: `See: ${helpFor(argv, commands)}` });
  process.exit(report(usage, wantsJson(argv), process));
}

/** The help that says more: of the command that was called, if it was one. */
function helpFor([command = '']: readonly string[], commands: readonly string[]): string {
  return commands.includes(command) ? `lockstep ${command} --help` : 'lockstep --help';
}

/** True if the arguments ask for JSON. For errors in the arguments themselves: those aren't parsed. */
export function wantsJson(argv: readonly string[]): boolean {
  const end = argv.indexOf('--');
  return argv
    .slice(0, end < 0 ? argv.length : end)
    .some((argument) => argument === '--json' || argument === '--json=true');
}

function report(error: unknown, json: boolean, { stdout, stderr, env }: CommandStreams): ExitCode {
  if (env.LOCKSTEP_DEBUG && error instanceof Error) stderr.write(`${withCauses(error)}\n`);
  const { code, message, hint } = describe(error);
  stderr.write(`lockstep: error: ${oneLine(hint === undefined ? message : `${message} ${hint}`)}\n`);
  const found = error instanceof LockstepError ? error.details.found : undefined;
  if (json) print({ ...found, error: { code, message, hint } }, stdout);
  return code === 'USAGE' ? 2 : 1;
}

interface Description {
  readonly code: string;
  readonly message: string;
  readonly hint: string | undefined;
}

function describe(error: unknown): Description {
  if (error instanceof LockstepError) {
    return { code: error.code, message: error.message, hint: error.details.hint };
  }
  const what = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return {
    code: 'UNKNOWN',
    message: `unexpected ${what}.`,
    hint: 'Run again with LOCKSTEP_DEBUG=1 to see where.',
  };
}

/** An error's stack, and those of everything that caused it. */
function withCauses(error: Error): string {
  const own = error.stack ?? String(error);
  return error.cause instanceof Error ? `${own}\ncaused by ${withCauses(error.cause)}` : own;
}

/** `lockstep … | head` closes stdout early: that ends the output, not the run. */
function survivesClosedPipe(stream: NodeJS.WritableStream): void {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
}

function oneLine(text: string): string {
  return text.trim().replace(/\s*\n\s*/g, ' ');
}
