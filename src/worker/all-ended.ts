/** The end of a graph's run, and of whoever serves it meanwhile. */

/**
 * Waits for the run and for all who serve its streams. When one of these fails the run still goes on, and its streams
 * are served to its end: it can't be left behind. When the run itself fails, nobody can be waited for.
 */
export async function allEnded(
  running: Promise<unknown>,
  served: readonly (Promise<unknown> | undefined)[],
): Promise<void> {
  const ends = Promise.allSettled([running, ...served]).then((results) => {
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  });
  await Promise.race([ends, running.then(() => ends)]);
}
