/** Signals to a run: the first asks it to save and end, the second ends it. */
import process from 'node:process';

/** Numbers of the signals, for the exit code that shells expect: 128 + number. */
const numbers = { SIGINT: 2, SIGUSR2: 12, SIGTERM: 15 } as const;

/** @param note tells the user what a signal did */
export function stopBySignal(note: (text: string) => void): AbortSignal {
  const stop = new AbortController();
  for (const [signal, number] of Object.entries(numbers)) {
    process.on(signal, () => {
      if (stop.signal.aborted) process.exit(128 + number);
      stop.abort();
      note(`${signal}: the run finishes its step, saves and ends; a second signal ends it at once`);
    });
  }
  return stop.signal;
}
