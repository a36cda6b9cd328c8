/** Every failure a user can meet: one class, a stable code, and a sentence on what to do next. */

export type ErrorCode =
  | 'CONFIG'
  | 'USAGE'
  | 'DATA'
  | 'ENGINE'
  | 'TRACE'
  | 'PROTOCOL'
  | 'TRANSPORT'
  | 'WORKER_LOST'
  | 'COORDINATOR_LOST'
  /** A new generation began in the middle of it. */
  | 'SUPERSEDED'
  /** Replicas differ. */
  | 'DIVERGED'
  /** A loss or a gradient is infinite or no number. */
  | 'NOT_FINITE'
  | 'CHECKPOINT'
  /** A file of weights that can't be used. */
  | 'WEIGHTS'
  | 'RUN_FOLDER'
  | 'INTERRUPTED'
  /** The doctor found what would stop a run. */
  | 'UNFIT';

/** An error with a code, and where it helps a `hint`: what the user can do about it. */
export class LockstepError extends Error {
  override readonly name: string = 'LockstepError';

  constructor(
    readonly code: ErrorCode,
    message: string,
    readonly details: {
      readonly hint?: string;
      readonly cause?: unknown;
      /** What a command had found by then: with --json it is printed beside the error. */
      readonly found?: object;
    } = {},
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
  }

  /** The one line that is shown to the user: what is wrong, and what to do. */
  get line(): string {
    return this.details.hint === undefined ? this.message : `${this.message} ${this.details.hint}`;
  }
}
