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
    const record = join(out, runs[0]!, 'run.json');
    const text = readFileSync(record, 'utf8');
    writeFileSync(record, JSON.stringify({ ...JSON.parse(text), datasetDigest: 'another' }));
    const images = await compare('--out', out, '--resume').ended;
    expect(images.code).toBe(1);
    expect(images.stderr).toContain('was begun with other images than the arms have now');
    writeFileSync(record, text);
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

describe('lockstep compare, of an arm that diverges', () => {
  const arms = {
    wild: "['lossScale={kind: none}', 'stages.0.learningRate={decay: constant, peak: 1e30}']",
    // The squares of its gradients overflow, so that not even the first step is done.
    early: "['lossScale={kind: fixed, value: 8.507059173023462e+37}']",
    tame: "['lossScale={kind: none}']",
    more: "['lossScale={kind: none}']",
  };
  const studyOf = (name: string, ...names: (keyof typeof arms)[]) => {
    const path = join(commands.folder, `${name}.yaml`);
    const lines = names.map((arm) => `  - { name: ${arm}, config: traditional.yaml, set: ${arms[arm]} }`);
    writeFileSync(path, [`name: ${name}`, 'seeds: [3, 4]', 'arms:', ...lines].join('\n'));
    return path;
  };
  const study = studyOf('diverges', 'wild', 'early', 'tame');
  const out = join(commands.folder, 'diverged');
  const compare = (...args: string[]) => commands.start(['compare', study, '--out', out, ...args]);
  const diverged = join(out, 'wild', 'seed-3');
  let before: number;
  const changed = () => statSync(join(diverged, 'metrics.jsonl')).mtimeMs;

  it('notes it, and goes on with the next run', async () => {
    const ended = await compare('--repeats', '1', '--json').ended;
    const document = documentOf(ended);
    const [wild, early, tame] = document.runs;
    expect(wild).toMatchObject({ arm: 'wild', seed: 3, accuracy: null, workers: 1, weightsDigest: null });
    expect(wild.diverged).toMatch(
      /^The (loss|norm of the gradients) is \S+ at step \d+ \(stage 'train', learning rate 1e\+30\): the training has diverged\.$/,
    );
    expect(ended.stderr).toContain(`wild, seed 3 diverged: ${wild.diverged} Lower learningRate.peak`);
    expect(early).toMatchObject({ arm: 'early', accuracy: null, seconds: 0, workers: 1 });
    expect(early.diverged).toMatch(/^The norm of the gradients is \S+ at step 1 /);
    expect(tame).toMatchObject({ arm: 'tame', seed: 3, accuracy: expect.any(Number) });
    expect(tame.diverged).toBeUndefined();
    expect(document.stopped).toBeUndefined();
    expect(document.results).toMatchObject([
      { arm: 'wild', runs: 0, diverged: [3], accuracy: null, seconds: null },
      { arm: 'early', runs: 0, diverged: [3], accuracy: null, seconds: null },
      { arm: 'tame', runs: 1, diverged: [] },
    ]);
    expect(document.answer.verdicts).toEqual([
      'wild diverged with seed 3 and early diverged with seed 3: no seed is left with which both have an accuracy.',
      'wild diverged with seed 3: no seed is left with which both have an accuracy.',
    ]);
    before = changed();
  });

  it('does not train it again', async () => {
    const [first] = (await readComparison(out)).runs;
    const { code, stdout, stderr } = await compare('--resume').ended;
    expect(code, stderr).toBe(0);
    expect(stderr).toContain(
      `wild, seed 3 has diverged already, and is not trained again: ${first!.diverged}`,
    );
    expect((await readRun(diverged)).resumed).toEqual([]);
    expect(changed()).toBe(before);
    const { runs } = await readComparison(out);
    expect(runs[0]).toEqual(first);
    expect(runs.flatMap(({ run, diverged }) => (diverged === undefined ? [] : [run]))).toEqual(
      [3, 4].flatMap((seed) => [`wild/seed-${seed}`, `early/seed-${seed}`]),
    );
    expect(runs).toHaveLength(6);
    expect(stdout).toContain('0 (2 diverged)');
    expect(stdout).toContain('wild diverged with both seeds: no seed is left');
    expect(stdout).toContain(`and has no accuracy. Seed 3: ${first!.diverged} Seed 4: The `);
  });

  it('shows it in the report, and its folder to who asks', async () => {
    const page = readFileSync(join(out, 'report.html'), 'utf8');
    expect(page).toContain('wild diverged with both seeds: no seed is left');
    expect(page).toContain('0 (2 diverged)');
    expect(page).toContain('<dt>diverged</dt><dd>2 of 2 ');
    const again = documentOf(await commands.start(['report', out, '--json']).ended);
    const finished = [false, false, true];
    expect(again.runs.map((run: { finished: boolean }) => run.finished)).toEqual([...finished, ...finished]);
    for (const run of [diverged, join(out, 'early', 'seed-3')]) {
      documentOf(await commands.start(['report', run, '--json']).ended);
      const watched = documentOf(await commands.start(['watch', run, '--once', '--json']).ended);
      expect(watched).toMatchObject({ run, summary: null });
    }
  });

  it('ends with what else ends a run', async () => {
    const used = join(out, 'wild', 'seed-5');
    mkdirSync(used);
    writeFileSync(join(used, 'notes.txt'), '');
    const { code, stderr } = await compare('--resume', '--repeats', '3').ended;
    expect(code).toBe(1);
    expect(stderr).toContain(`lockstep: error: Run folder ${used} is not empty: it holds notes.txt.`);
    expect((await readComparison(out)).runs).toHaveLength(6);
  });

  it('keeps it in mind when it is stopped before its turn', async () => {
    const larger = studyOf('larger', 'tame', 'more', 'wild');
    const begun = commands.start(['compare', larger, '--out', out, '--resume', '--repeats', '1', '--json']);
    await committed(join(out, 'more', 'seed-3'), 1);
    begun.child.kill('SIGTERM');
    const stopped = documentOf(await begun.ended);
    expect(stopped.stopped).toBe(true);
    const { runs } = await readComparison(out);
    expect(runs.map(({ run }) => run)).toEqual(['tame/seed-3', 'wild/seed-3']);
    expect(stopped.runs).toEqual(runs);
    expect(stopped.answer.verdicts).toEqual([
      'No seed has an accuracy of both more and tame yet.',
      'wild diverged with seed 3: no seed is left with which both have an accuracy.',
    ]);
  });
});
