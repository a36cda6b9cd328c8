/** The doctor's findings for the terminal: by subject, a mark before each, and below it what to do. */
import { type Finding, type Level, subjects } from './finding.js';

const marks: Readonly<Record<Level, string>> = { ok: '✓', warning: '!', failure: '✗' };
const titles: Readonly<Record<Finding['subject'], string>> = {
  software: 'Software',
  processor: 'Processor',
  gpu: 'GPU',
  memory: 'Memory',
  network: 'Network',
  disk: 'Disk and data',
  slurm: 'Slurm',
  links: 'Links',
};

/** @param findings of one host, or of all links */
export function findingsText(findings: readonly Finding[]): string {
  const width = Math.max(0, ...findings.map(({ check }) => check.length));
  return subjects
    .map((subject) => ({ subject, own: findings.filter((finding) => finding.subject === subject) }))
    .filter(({ own }) => own.length > 0)
    .map(({ subject, own }) =>
      [titles[subject], ...own.flatMap((finding) => lines(finding, width))].join('\n'),
    )
    .join('\n');
}

function lines({ level, check, value, advice }: Finding, width: number): string[] {
  const first = `  ${marks[level]} ${check.padEnd(width)}  ${value}`;
  return advice === undefined ? [first] : [first, `    ${' '.repeat(width)}  → ${advice}`];
}
