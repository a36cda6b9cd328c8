/** Waits that come to an end: by a deadline, or by an alarm. */

/** A promise that only rejects, and how to reject it. */
export interface Alarm {
  readonly promise: Promise<never>;
  readonly raise: (error: Error) => void;
}

export function newAlarm(): Alarm {
  let raise: Alarm['raise'] = () => {};
  const promise = new Promise<never>((_, reject) => {
    raise = reject;
  });
  // Nobody may be waiting.
  promise.catch(() => {});
  return { promise, raise };
}

/** `promise`, unless one of `until` rejects first, or the deadline passes: then with the error of `late`. */
export async function within<T>(
  deadlineMs: number,
  promise: Promise<T>,
  until: readonly Promise<never>[],
  late: () => Error,
): Promise<T> {
  const deadline = newAlarm();
  const timer = setTimeout(() => deadline.raise(late()), deadlineMs);
  try {
    return await Promise.race([promise, deadline.promise, ...until]);
  } finally {
    clearTimeout(timer);
  }
}
