/** `lockstep compare`, as a user runs it: one small study, begun, stopped, gone on with, and read. */
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { readComparison } from '../src/coordinator/compare/comparison.js';
import { readRun } from '../src/coordinator/run-folder.js';
import { readSummary } from '../src/coordinator/summary.js';
import { Commands, committed, type Ended } from './lockstep-command.js';
import { smallConfig } from './small-run.js';

const commands = new Commands();
afterAll(() => commands.end());

// Both stages of the small run, and the second alone; an epoch is 16 steps of 64 images.
const both = smallConfig({ microBatches: 4, epochs: [2, 2], more: '' });
const [head, tail] = both.split(/stages:\n[\s\S]*?(?= {2}- name: train)/);
writeFileSync(join(commands.folder, 'contrastive.yaml'), both);
writeFileSync(
  join(commands.folder, 'traditional.yaml'),
  `${head}stages:\n${tail}`.replace(/, projection: .* \}/, ' }'),
);
const study = join(commands.folder, 'study.yaml');
writeFileSync(
  study,
  `
name: small
seeds: [3, 4]
arms:
  - { name: plain, config: traditional.yaml, set: [stages.0.epochs=4] }
  - { name: pairs, config: contrastive.yaml }
`,
);

const compare = (...args: string[]) => commands.start(['compare', study, ...args]);
const runs = ['plain/seed-3', 'pairs/seed-3', 'plain/seed-4', 'pairs/seed-4'];

/** The command's document. */
function documentOf({ code, stdout, stderr }: Ended) {
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout);
}

describe('lockstep compare', () => {
  const out = join(commands.folder, 'out');
  let document: ReturnType<typeof documentOf>;
  const changed = () => statSync(join(out, runs[0]!, 'metrics.jsonl')).mtimeMs;
  let before: number;

  it('saves and ends with 0 when it is asked to stop, and says what there is', async () => {
    const begun = compare('--out', out, '--workers', '2', '--json');
    await committed(join(out, runs[1]!), 5);
    begun.child.kill('SIGTERM');
    const stopped = documentOf(await begun.ended);
    expect(stopped).toMatchObject({ stopped: true, folder: out });
    expect(stopped.runs).toHaveLength(1);
    expect(stopped.answer.verdicts).toEqual(['No seed has an accuracy of both pairs and plain yet.']);
    before = changed();
  });

  it('keeps runs that have ended, and goes on with the one that was interrupted', async () => {
    document = documentOf(await compare('--out', out, '--resume', '--json').ended);
    const records = await Promise.all(runs.map((run) => readRun(join(out, run))));
    expect(records.map(({ seed }) => seed)).toEqual([3, 3, 4, 4]);
    expect(records.map(({ resumed }) => resumed.length)).toEqual([0, 1, 0, 0]);
    expect(records[1]!.resumed[0]!.fromStep).toBeGreaterThanOrEqual(5);
    expect(changed()).toBe(before);
  });

  it('trains what `lockstep train` would: the same weights', async () => {
    const alone = join(commands.folder, 'alone');
    const config = join(commands.folder, 'contrastive.yaml');
    const { weightsDigest } = documentOf(
      await commands.start(['train', config, '--set', 'seed=3', '--out', alone, '--json']).ended,
    );
    expect(document.runs[1]).toMatchObject({ arm: 'pairs', seed: 3, run: runs[1], weightsDigest });
    expect((await readRun(alone)).configDigest).toBe((await readRun(join(out, runs[1]!))).configDigest);
  });

  it('comes to what its runs came to', async () => {
    const summaries = await Promise.all(runs.map((run) => readSummary(join(out, run, 'summary.json'))));
    const accuracies = summaries.map(({ accuracy }) => accuracy!);
    expect(document.runs.map(({ accuracy }: { accuracy: number }) => accuracy)).toEqual(accuracies);
    const [plain, pairs] = document.results;
    expect(plain.accuracy.mean).toBeCloseTo((accuracies[0]! + accuracies[2]!) / 2, 12);
    const [d3, d4] = [accuracies[1]! - accuracies[0]!, accuracies[3]! - accuracies[2]!];
    expect(pairs.difference).toMatchObject({ from: 'plain', seeds: [3, 4], values: [d3, d4] });
    // With two values: t(0.975, 1) = 12.7062047 times half their distance, around their mean.
    if (d3 !== d4) {
      expect(pairs.difference.mean.interval[1]).toBeCloseTo(
        (d3 + d4) / 2 + (12.7062047 * Math.abs(d3 - d4)) / 2,
        6,
      );
    }
    expect(plain).toMatchObject({ samples: 4096, encoderPasses: 12_288, runs: 2 });
    expect(pairs).toMatchObject({ samples: 4096, encoderPasses: 12_288 });
    for (const { seconds, imagesPerSec } of document.results)
      expect(seconds * imagesPerSec).toBeCloseTo(4096, 6);
    expect(document.testImages).toBe(100);
    // The first run had two workers, the others one in the end.
    expect(document.answer.caveats.join('\n')).toContain('Runs had 2 and 1 workers');
    expect(document.answer.verdicts[0]).toMatch(/^Over 2 seeds /);
    expect(document.answer.caveats.join('\n')).toContain('on the same 100 test images');
  });

  it('leaves its results and a report, which can be made again', async () => {
    const { results, answer, folder, ...comparison } = document;
    expect(folder).toBe(out);
    expect(await readComparison(out)).toEqual(comparison);
    const written = JSON.parse(readFileSync(join(out, 'comparison.json'), 'utf8'));
    expect(written).toEqual({ ...comparison, results, answer });
    const report = join(out, 'report.html');
    for (const again of [false, true]) {
      const page = readFileSync(report, 'utf8');
      expect(page).toContain('Is pairs better than plain?');
      expect(page).toContain(answer.verdicts[0]);
      expect(page).toContain('id="figure-accuracy"');
      expect(page).toContain('pairs, seed 4');
      if (again) break;
      writeFileSync(report, '');
      documentOf(await commands.start(['report', out, '--json']).ended);
    }
  });

  it('says what is wrong before anything trains', async () => {
    const elsewhere = join(commands.folder, 'elsewhere');
    const wrong = async (...args: string[]) => {
      const { code, stderr } = await compare('--out', elsewhere, ...args).ended;
      expect(code, stderr).not.toBe(0);
      expect(existsSync(elsewhere) ? readdirSync(elsewhere) : []).toEqual([]);
      return stderr;
    };
    expect(await wrong('--set', 'pairs:stages.0.epochs=3')).toContain(
      'The arms do not have the same budget of training images: plain 4,096, pairs 5,120.',
    );
    expect(await wrong('--workers', '5')).toContain("5 workers can't share 4 micro-batches");
    expect(await wrong('--set', 'pairs:data.limit.test=50')).toContain('is not evaluated on the test images');
    expect(await wrong('--repeats', '0')).toContain('--repeats takes a whole number from 1, not 0.');
    const used = await compare('--out', out).ended;
    expect(used.stderr).toContain('go on with what is there with --resume');
    const other = await compare('--out', out, '--resume', '--set', 'threads=2').ended;
    expect(other.code).toBe(1);
    expect(other.stderr).toContain(`${join(out, runs[0]!)} is no run of arm plain with seed 3`);
    const nowhere = await compare('--resume').ended;
    expect(nowhere.stderr).toContain('--resume does not know which comparison.');
    const beside = await commands.start(['report', out, join(out, runs[0]!), '--out', 'x.html']).ended;
    expect(beside.stderr).toContain(`${out} is a comparison, which has a report of its own.`);
    mkdirSync(elsewhere, { recursive: true });
    writeFileSync(join(elsewhere, 'comparison.json'), '{"format":1}');
    const broken = await commands.start(['report', elsewhere]).ended;
    expect(broken.stderr).toMatch(/comparison.json can't be read: /);
  });
});
