/** `lockstep eval` with real workers: what it finds does not depend on their number, and lands where it is looked for. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readEvaluation } from '../src/coordinator/evaluate/evaluation-file.js';
import { mirror } from '../src/worker/evaluation-batch.js';
import { Commands, eventsOf } from './lockstep-command.js';

/** Training images fill three blocks of 1,000 features and a part of a fourth; both splits end in an incomplete batch. */
const config = (heads: string, stages: string) => `
name: small
data: { dataset: sample, limit: { train: 3230, test: 130 } }
model: { encoder: tiny, ${heads} }
batch: { microBatches: 4, microBatchSize: 100 }
evaluate: { batchSize: 50 }
stages:
  - name: pretrain
    objective: npairs
    temperature: 0.1
    epochs: 1
    optimizer: { kind: adam }
    learningRate: { decay: constant, peak: 0.005 }
${stages}`;
const head = `  - name: head
    objective: softmax
    epochs: 1
    optimizer: { kind: sgd }
    learningRate: { decay: constant, peak: 0.05 }
`;

const commands = new Commands();
let run: string;
beforeAll(async () => {
  run = await train('both', config('projection: { widths: [16] }, classifier: {}', head));
});
afterAll(() => commands.end());

async function train(name: string, text: string): Promise<string> {
  const path = join(commands.folder, `${name}.yaml`);
  const out = join(commands.folder, name);
  writeFileSync(path, text);
  const { code, stderr } = await commands.start(['train', path, '--out', out, '--workers', '2', '--json'])
    .ended;
  expect(code, stderr).toBe(0);
  return out;
}

async function evaluated(checkpoint: string, ...more: string[]) {
  const { code, stdout, stderr } = await commands.start(['eval', checkpoint, '--json', ...more]).ended;
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout);
}

/** The values of a .npy file of float32 rows. */
function npy(path: string): { readonly shape: number[]; readonly values: Float32Array } {
  const bytes = readFileSync(path);
  expect(bytes.subarray(0, 8)).toEqual(Buffer.from('\x93NUMPY\x01\x00', 'latin1'));
  const end = 10 + bytes.readUInt16LE(8);
  expect(end % 64).toBe(0);
  const header = bytes.subarray(10, end).toString('latin1');
  const shape = /^\{'descr': '<f4', 'fortran_order': False, 'shape': \((\d+), (\d+)\), \} *\n$/.exec(header)!;
  return {
    shape: [Number(shape[1]), Number(shape[2])],
    values: new Float32Array(new Uint8Array(bytes.subarray(end)).buffer),
  };
}

/** Everything that there is, of one run, on so many workers. */
async function everything(workers: number) {
  const folder = join(commands.folder, `embeddings-${workers}`);
  const options = ['--knn', '--probe', '--tta', 'flip', '--points', '40', '--embeddings', folder];
  const { embeddings, ...result } = await evaluated(run, '--workers', `${workers}`, ...options);
  expect(embeddings).toBe(folder);
  const files = readdirSync(folder).sort();
  const contents = files.map((name) => readFileSync(join(folder, name)).toString('base64'));
  const file = await readEvaluation(join(run, 'evaluation.json'));
  return { folder, found: { result, files, contents, file } };
}

let onOne: ReturnType<typeof everything> | undefined;
/** Once for all tests, on one worker. */
function once() {
  onOne ??= everything(1);
  return onOne;
}

describe('an evaluation', () => {
  it('finds the same, bit for bit, on 1, 2, 3 and 4 workers', async () => {
    const { found: one } = await once();
    expect(one.files).toEqual([
      ...['embeddings.npy', 'features.npy', 'images.csv', 'metadata.tsv'],
      ...['projector_config.pbtxt', 'sprite.png', 'tensors.tsv'],
    ]);
    expect(one.result).toMatchObject({
      ...{ images: 130, stage: 'head', run, evaluation: join(run, 'evaluation.json') },
      knn: { k: 200, temperature: 0.07, trainImages: 3230 },
      probe: { l2: 1e-4, converged: true, trainImages: 3230 },
    });
    for (const workers of [2, 3, 4]) expect((await everything(workers)).found).toEqual(one);
  });

  it('has the accuracy and the loss that training saw, and numbers that agree with each other', async () => {
    const [last] = (await eventsOf(run, 'eval')).slice(-1);
    const { accuracy, loss, classifier, flipAveraged, images } = (await once()).found.result;
    expect([accuracy, loss]).toEqual([last!.accuracy, last!.loss]);
    const confusion: number[][] = classifier.confusion;
    expect(confusion.flat().reduce((sum, count) => sum + count)).toBe(images);
    expect(confusion.reduce((sum, row, c) => sum + row[c]!, 0) / images).toBe(accuracy);
    const bins: { count: number }[] = classifier.calibration.bins;
    expect(bins.reduce((sum, { count }) => sum + count, 0)).toBe(images);
    // Mirror images are other images.
    expect(flipAveraged.loss).not.toBe(loss);
    expect(Math.abs(flipAveraged.loss - loss)).toBeLessThan(0.1);
  });

  it('writes features and embeddings that NumPy reads, with the images they are of', async () => {
    const { folder, found } = await once();
    expect(npy(join(folder, 'features.npy')).shape).toEqual([130, 32]);
    const { shape, values } = npy(join(folder, 'embeddings.npy'));
    expect(shape).toEqual([130, 16]);
    for (let row = 0; row < 130; row += 1) {
      expect(Math.hypot(...values.subarray(row * 16, (row + 1) * 16))).toBeCloseTo(1, 5);
    }
    const [header, ...rows] = readFileSync(join(folder, 'images.csv'), 'utf8').trim().split('\r\n');
    expect(header).toBe('id,label,class,predicted');
    expect(rows).toHaveLength(130);
    const right = rows.filter((row) => row.split(',')[2] === row.split(',')[3]);
    expect(right.length / 130).toBe(found.result.accuracy);
  });

  it('leaves places of a sample in the run folder', async () => {
    const { points, spaces } = (await once()).found.file;
    expect(points.images).toHaveLength(40);
    expect(points.predicted).toHaveLength(40);
    expect(spaces.map(({ name, width }) => [name, width])).toEqual([
      ['features', 32],
      ['embeddings', 16],
    ]);
    for (const { pca, umap } of spaces) {
      expect(pca.places).toHaveLength(80);
      expect(umap?.places).toHaveLength(80);
      expect([...pca.places, ...umap!.places].every(Number.isFinite)).toBe(true);
    }
  });

  it('of a checkpoint whose classifier is not trained yet is that of its features', async () => {
    const first = readdirSync(join(run, 'checkpoints')).sort()[0]!;
    const checkpoint = join(run, 'checkpoints', first);
    const found = await evaluated(checkpoint, '--points', '0');
    expect((await readEvaluation(join(run, 'evaluation.json'))).spaces).toEqual([]);
    expect(found).toMatchObject({ stage: 'pretrain', accuracy: null, loss: null, classifier: null });
    expect(found.knn.weighted).toBeGreaterThan(0.15);
    expect(found.probe.accuracy).toBeGreaterThan(0.15);
    const { code, stderr } = await commands.start(['eval', checkpoint, '--tta', 'flip']).ended;
    expect(code).toBe(2);
    expect(stderr).toContain('has no trained classifier to average flips of');
  });

  it('of a run without a classifier is read by people, too', async () => {
    const contrastive = await train('contrastive', config('projection: { widths: [16] }', ''));
    const { code, stdout, stderr } = await commands.start(['eval', contrastive, '--points', '20']).ended;
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/kNN accuracy, k 200, weighted, temperature 0.07 +\d+\.\d\d %/);
    expect(stdout).toMatch(/linear probe accuracy, L2 0.0001 +\d+\.\d\d %/);
    expect(stdout).toMatch(/alignment of 16 embeddings, 20 images +\d\.\d{4}/);
    expect(stdout).not.toMatch(/expected calibration error|recall/);
    expect(existsSync(join(contrastive, 'evaluation.json'))).toBe(true);
  });
});

describe('mirrored images', () => {
  it('have their columns turned around, and their colours kept', () => {
    const images = Uint8Array.from({ length: 2 * 32 * 32 * 3 }, (_, i) => i % 251);
    const mirrored = images.slice();
    mirror(mirrored);
    for (const [image, y, x, channel] of [
      [0, 0, 0, 0],
      [0, 5, 3, 1],
      [1, 31, 31, 2],
      [1, 9, 15, 0],
    ] as const) {
      const at = (column: number) => ((image * 32 + y) * 32 + column) * 3 + channel;
      expect(mirrored[at(x)]).toBe(images[at(31 - x)]);
    }
    mirror(mirrored);
    expect(mirrored).toEqual(images);
  });
});
