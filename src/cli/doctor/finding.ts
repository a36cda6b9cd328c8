/** What the doctor says: one finding is one fact about a host or a link, with what to do where it is not well. */

/** A failure stops a run; a warning slows it, or may stop it later. */
export type Level = 'ok' | 'warning' | 'failure';

/** The headings of the report, in their order. */
export const subjects = [
  'software',
  'processor',
  'gpu',
  'memory',
  'network',
  'disk',
  'slurm',
  'links',
] as const;
export type Subject = (typeof subjects)[number];

export interface Finding {
  readonly subject: Subject;
  /** What was looked at; the same on every host. */
  readonly check: string;
  readonly level: Level;
  /** What was found, for a person. */
  readonly value: string;
  /** What to do: only with a warning or a failure. */
  readonly advice?: string;
  /** What was found, for a program: numbers with their unit in the name. */
  readonly facts?: Readonly<Record<string, unknown>>;
}

type Facts = Finding['facts'];

/** Makes the findings of one subject. */
export function about(subject: Subject) {
  const finding = (level: Level, check: string, value: string, facts: Facts, advice?: string): Finding => ({
    subject,
    check,
    level,
    value,
    ...(advice === undefined ? {} : { advice }),
    ...(facts === undefined ? {} : { facts }),
  });
  return {
    ok: (check: string, value: string, facts?: Facts) => finding('ok', check, value, facts),
    warning: (check: string, value: string, advice: string, facts?: Facts) =>
      finding('warning', check, value, facts, advice),
    failure: (check: string, value: string, advice: string, facts?: Facts) =>
      finding('failure', check, value, facts, advice),
    /** Well, or a warning with what to do. */
    unless: (bad: boolean, check: string, value: string, advice: string, facts?: Facts) =>
      bad ? finding('warning', check, value, facts, advice) : finding('ok', check, value, facts),
  };
}

export interface Counts {
  readonly ok: number;
  readonly warnings: number;
  readonly failures: number;
}

export function countLevels(findings: readonly Finding[]): Counts {
  const count = (level: Level) => findings.filter((finding) => finding.level === level).length;
  return { ok: count('ok'), warnings: count('warning'), failures: count('failure') };
}
