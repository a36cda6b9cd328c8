/** The report that a run leaves in its folder when it ends. */
import { LockstepError } from '../../shared/errors.js';

/** Never fails: a run that has ended well is not spoilt by its report. @param note told why there is none */
export async function leaveReport(run: string, note: (text: string) => void): Promise<void> {
  try {
    // Loaded now: a run's start has better things to do than to load a library for plots.
    const { writeRunReport } = await import('./report.js');
    await writeRunReport(run);
  } catch (error) {
    const why = error instanceof LockstepError ? error.line : String(error);
    note(`No report: ${why} \`lockstep report ${run}\` makes it later.`);
  }
}
