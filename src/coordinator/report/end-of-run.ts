/** The report that a run, or a comparison of several, leaves in its folder when it ends. */
import { LockstepError } from '../../shared/errors.js';

/** Never fails: a run that has ended well is not spoilt by its report. @param note told why there is none */
export async function leaveReport(
  folder: string,
  note: (text: string) => void,
  of: 'run' | 'comparison' = 'run',
): Promise<void> {
  try {
    // Loaded now: a run's start has better things to do than to load a library for plots.
    if (of === 'run') await (await import('./report.js')).writeRunReport(folder);
    else await (await import('./comparison-report.js')).writeComparisonReport(folder);
  } catch (error) {
    const why = error instanceof LockstepError ? error.line : String(error);
    note(`No report: ${why} \`lockstep report ${folder}\` makes it later.`);
  }
}
