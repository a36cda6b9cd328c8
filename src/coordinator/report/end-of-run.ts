/** The report that a run, a comparison of several, or a scaling study leaves in its folder when it ends. */
import { LockstepError } from '../../shared/errors.js';
import type { Study } from '../scale/study.js';

/**
 * Never fails: a run that has ended well is not spoilt by its report, and one that has failed has its own error.
 * @param note told why there is none
 */
export async function leaveReport(run: string, note: (text: string) => void): Promise<void> {
  await orNote(run, note, async () => {
    // Loaded now: a run's start has better things to do than to load a library for plots.
    const { writeRunReport } = await import('./report.js');
    await writeRunReport(run);
  });
}

/** As `leaveReport`. */
export async function leaveComparisonReport(folder: string, note: (text: string) => void): Promise<void> {
  await orNote(folder, note, async () => {
    const { writeComparisonReport } = await import('./comparison-report.js');
    await writeComparisonReport(folder);
  });
}

/** As `leaveReport`. */
export async function leaveStudyReport(
  study: Study,
  folder: string,
  note: (text: string) => void,
): Promise<void> {
  await orNote(folder, note, async () => {
    const { writeStudyReport } = await import('./study-report.js');
    await writeStudyReport(study, folder);
  });
}

async function orNote(
  folder: string,
  note: (text: string) => void,
  write: () => Promise<void>,
): Promise<void> {
  try {
    await write();
  } catch (error) {
    const why = error instanceof LockstepError ? error.line : String(error);
    note(`No report: ${why} \`lockstep report ${folder}\` makes it later.`);
  }
}
