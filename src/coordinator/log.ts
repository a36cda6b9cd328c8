/** The files in a run's logs/: one JSON line an event, through pino, one file for the coordinator and one a worker. */
import { join } from 'node:path';
import { type Logger, pino } from 'pino';

export interface Log extends Logger {
  /** Closes the file. Nothing has to be flushed: each line is written before the call that logs it returns. */
  close(): void;
}

/**
 * Opens `logs/<name>.log` of a run for appending (name: `coordinator`, or `worker-<rank>`).
 * Writing is synchronous: a run logs little, and the last line before a crash is the one that matters.
 */
export function openLog(
  runFolder: string,
  name: string,
  level = process.env.LOCKSTEP_LOG_LEVEL ?? 'info',
): Log {
  const destination = pino.destination({
    dest: join(runFolder, 'logs', `${name}.log`),
    sync: true,
    mkdir: true,
  });
  // A full disk costs log lines, never the run.
  destination.on('error', () => undefined);
  const logger = pino({ level, base: { name }, timestamp: pino.stdTimeFunctions.isoTime }, destination);
  return Object.assign(logger, { close: () => destination.end() });
}
