/** The section that lets a run be done again: who made it, of what, on what. */
import type { Comparison } from './curves.js';
import { globalBatchOf, type RunData } from './run-data.js';
import type { Section } from './section.js';

export function provenance({ runs, labels }: Comparison): Section {
  const facts = runs.map(factsOf);
  const titles = [...new Set(facts.flatMap((own) => [...own.keys()]))];
  const alone = [...facts[0]!].map(([name, value]) => ({ name, value }));
  return {
    id: 'provenance',
    title: runs.length === 1 ? 'How it was run' : 'How they were run',
    text: [],
    figures: [],
    ...(runs.length === 1
      ? { facts: alone }
      : {
          table: {
            columns: [{ title: '' }, ...labels.map((title) => ({ title }))],
            rows: titles.map((title) => [title, ...facts.map((own) => own.get(title) ?? '–')]),
          },
        }),
  };
}

function factsOf(run: RunData): Map<string, string> {
  const { record, planned, summary, path } = run;
  const { model, data, batch, precision } = planned;
  const facts = new Map<string, string>();
  const { workers, ...place } = record.topology;
  facts.set('started', moment(record.startedAt));
  if (record.resumed.length > 0) {
    facts.set(
      'resumed',
      record.resumed.map(({ startedAt, fromStep }) => `${moment(startedAt)}, step ${fromStep}`).join('; '),
    );
  }
  if (summary !== undefined) facts.set('wall clock since then', `${summary.seconds.toFixed(1)} s`);
  facts.set('encoder', model.encoder);
  const { initialWeights } = record;
  if (initialWeights !== undefined) {
    const { file, naming, sha256 } = initialWeights;
    facts.set('first weights', `${file} (${naming}), SHA-256 ${sha256.slice(0, 16)}`);
  }
  facts.set('dataset', data.dataset);
  facts.set('global batch', `${globalBatchOf(run)} images: ${batch.microBatches} × ${batch.microBatchSize}`);
  if (precision !== undefined) facts.set('precision', precision);
  facts.set('seed', `${record.seed}`);
  if (workers !== undefined) facts.set('workers', String(workers));
  for (const [name, value] of Object.entries(place))
    facts.set(name, typeof value === 'string' ? value : JSON.stringify(value));
  facts.set(
    'versions',
    Object.entries(record.versions)
      .map(([name, version]) => `${name} ${version.replace(/^v/, '')}`)
      .join(', '),
  );
  facts.set('command', `lockstep ${record.commandLine.join(' ')}`);
  facts.set('run folder', path);
  facts.set('config digest', record.configDigest.slice(0, 16));
  if (summary !== undefined) facts.set('weights digest', summary.weightsDigest.slice(0, 16));
  return facts;
}

/** UTC, so that a report says the same wherever it is made. */
export function moment(iso: string): string {
  return `${iso.slice(0, 10)} ${iso.slice(11, 16)} UTC`;
}
