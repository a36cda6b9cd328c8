// The Markdown that docs/benchmarks.md shows: a table of figures and one of verdicts for each section.
// @ts-check
import { contestantsOf, SECTIONS } from './claims.mjs';
import { summary } from './statistics.mjs';

/** @typedef {import('./claims.mjs').SectionName} SectionName */
/** @typedef {import('./claims.mjs').Judgement} Judgement */
/** @typedef {import('./contestants.mjs').Figures} Figures */
/** @typedef {import('./rounds.mjs').Runs} Runs */
/**
 * One section as it was measured. It carries its own run, since a section may be measured again alone.
 * @typedef {object} SectionResult
 * @property {RunFacts} run
 * @property {readonly Judgement[]} judgements
 * @property {Readonly<Record<string, Runs>>} contestants
 */
/**
 * @typedef {object} RunFacts
 * @property {string} date
 * @property {string} commit
 * @property {import('./machine.mjs').Machine} machine
 * @property {string} peers
 * @property {number} rounds
 * @property {number} steps
 * @property {number} warmup
 * @property {number} repeats
 * @property {{ median: number, max: number }} loadOfOthers
 */

export const BEGIN = '<!-- results:begin (written by bench/compare.mjs --write) -->';
export const END = '<!-- results:end -->';

/** @type {Readonly<Record<keyof Figures, { title: string, show: (value: number) => string }>>} */
const FIGURES = {
  imagesPerSec: { title: 'images/s', show: (value) => value.toFixed(1) },
  ms: { title: 'ms', show: (value) => (value < 1000 ? value.toFixed(1) : value.toFixed(0)) },
  peakRssBytes: { title: 'peak RSS, GB', show: (value) => (value / 1e9).toFixed(2) },
  startToFirstStepMs: { title: 'start to first step, s', show: (value) => (value / 1000).toFixed(1) },
};

/**
 * @param {SectionName} name
 * @param {SectionResult | undefined} result
 * @returns {string}
 */
export function sectionMarkdown(name, result) {
  const { title, shown } = SECTIONS[name];
  if (result === undefined) return `### ${title}\n\nNot measured yet.\n`;
  return [`### ${title}`, facts(result.run), figureTable(name, shown, result), claimTable(result.judgements)]
    .concat(failureList(result))
    .join('\n\n')
    .concat('\n');
}

/**
 * @param {Partial<Record<SectionName, SectionResult>>} results
 * @param {readonly SectionName[]} names
 * @returns {string} these sections, and first of all which of their targets are missed or not measured
 */
export function resultsMarkdown(results, names) {
  const judgements = names.flatMap((name) => {
    /** @type {readonly Judgement[]} */
    const unmeasured = SECTIONS[name].claims.map((claim) => ({ claim, verdict: 'not measured' }));
    return results[name]?.judgements ?? unmeasured;
  });
  const texts = (/** @type {string} */ verdict) =>
    judgements.filter((judgement) => judgement.verdict === verdict).map(({ claim }) => claim.text);
  const missed = texts('missed');
  const open = texts('not measured');
  let head = `**${texts('met').length} of ${judgements.length} targets are met.**`;
  if (missed.length > 0) head += ` Missed: ${missed.join('; ')}.`;
  if (open.length > 0)
    head += ` Not measured: ${open.length === judgements.length ? 'all' : open.join('; ')}.`;
  return [head, ...names.map((name) => sectionMarkdown(name, results[name]))].join('\n\n');
}

/**
 * @param {string} document
 * @param {string} results
 * @returns {string} the document with the results between its two markers
 */
export function withResults(document, results) {
  const begin = document.indexOf(BEGIN);
  const end = document.indexOf(END);
  if (begin < 0 || end < begin) throw new Error(`the document lacks its markers ${BEGIN} and ${END}`);
  return `${document.slice(0, begin + BEGIN.length)}\n\n${results.trim()}\n\n${document.slice(end)}`;
}

/** @param {RunFacts} run */
function facts(run) {
  const { machine } = run;
  const percent = (/** @type {number} */ share) => `${(share * 100).toFixed(0)} %`;
  return (
    `${run.date}, commit ${run.commit}; ${run.rounds} rounds of ${run.steps} steps in turn after ${run.warmup} ` +
    `(all-reduce: ${run.repeats} repeats). ${machine.cpu}, ${machine.cores} cores (${machine.vectors}), ` +
    `${machine.memoryGB} GB, Linux ${machine.kernel}. Node ${machine.node}; ${run.peers}. ` +
    `Others used ${percent(run.loadOfOthers.median)} of the cores just before a run (median; at most ${percent(run.loadOfOthers.max)}).`
  );
}

/**
 * @param {SectionName} name
 * @param {readonly (keyof Figures)[]} shown
 * @param {SectionResult} result
 */
function figureTable(name, shown, result) {
  const rows = [];
  for (const id of contestantsOf(name)) {
    const contestant = result.contestants[id];
    if (contestant === undefined) continue;
    const cells = shown.map((figure) => {
      const values = contestant.rounds.flatMap((round) => round?.[figure] ?? []);
      if (values.length === 0) return 'failed';
      const { median, min, max } = summary(values);
      const show = FIGURES[figure].show;
      return `${show(median)} (${show(min)}–${show(max)})`;
    });
    const precision = /-(float32|bfloat16)$/.exec(id)?.[1];
    rows.push([precision === undefined ? contestant.name : `${precision}: ${contestant.name}`, ...cells]);
  }
  rows.sort(([a = ''], [b = '']) => Number(b.startsWith('float32')) - Number(a.startsWith('float32')));
  return table(['median (min–max)', ...shown.map((figure) => FIGURES[figure].title)], rows);
}

/** @param {readonly Judgement[]} judgements */
function claimTable(judgements) {
  return table(
    ['promise', 'measured (min–max)', 'target', 'verdict'],
    judgements.map(({ claim, measured, verdict }) => {
      // Towards the worse side, so that rounding never makes a missed target look met.
      const worse = claim.bound === 'atLeast' ? Math.floor : Math.ceil;
      const show = (/** @type {number} */ value) =>
        claim.over === undefined ? worse(value).toFixed(0) : (worse(value * 1000) / 1000).toFixed(3);
      return [
        claim.text,
        measured === undefined
          ? ''
          : `${show(measured.median)} (${show(measured.min)}–${show(measured.max)})`,
        `${claim.bound === 'atLeast' ? '≥' : '≤'} ${claim.target}`,
        verdict === 'met' ? 'met' : `**${verdict}**`,
      ];
    }),
  );
}

/**
 * @param {SectionResult} result
 * @returns {string[]}
 */
function failureList(result) {
  const lines = Object.values(result.contestants).flatMap(({ name, failures }) =>
    failures.map((failure) => `- ${name}: ${failure.split('\n', 1)[0]}`),
  );
  return lines.length === 0 ? [] : [`Runs that failed:\n\n${lines.join('\n')}`];
}

/**
 * @param {readonly string[]} head
 * @param {readonly (readonly string[])[]} rows
 */
function table(head, rows) {
  const line = (/** @type {readonly string[]} */ cells) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map((_, column) => (column === 0 ? '---' : '--:'))), ...rows.map(line)].join(
    '\n',
  );
}
