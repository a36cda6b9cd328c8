import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type EvalEvent, MetricsWriter, readMetrics, rewindMetrics, type StepEvent } from './metrics.js';

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lockstep-metrics-'));
  path = join(folder, 'metrics.jsonl');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const step = (number: number, extra: Partial<StepEvent> = {}): StepEvent => ({
  type: 'step',
  stage: 'pretrain',
  epoch: 1,
  step: number,
  samples: number * 64,
  loss: 2.3,
  lr: 0.1,
  gradNorm: 1.5,
  imagesPerSec: 20.5,
  workers: 2,
  ms: { total: 100, input: 1, compute: 90, exposedComm: 5, commit: 4 },
  ...extra,
});
const evaluation: EvalEvent = { type: 'eval', stage: 'head', epoch: 1, step: 2, loss: 1.2, accuracy: 0.5 };

function write(...events: (StepEvent | EvalEvent)[]): void {
  const writer = new MetricsWriter(path);
  for (const event of events) writer.append(event);
  writer.close();
}

describe('metrics', () => {
  it('come back as they were written, over several openings', async () => {
    write(step(1), step(2, { excess: 0.5, accuracy: 0.25 }));
    write(evaluation);
    expect(await readMetrics(path)).toEqual([step(1), step(2, { excess: 0.5, accuracy: 0.25 }), evaluation]);
  });

  it('have exactly the fields of the contract', async () => {
    write(step(1), evaluation);
    const [first, second] = (await readFile(path, 'utf8'))
      .trim()
      .split('\n')
      .map((line) => Object.keys(JSON.parse(line) as object).join(' '));
    expect(first).toBe('type stage epoch step samples loss lr gradNorm imagesPerSec workers ms');
    expect(second).toBe('type stage epoch step loss accuracy');
  });

  it('keep a diverged loss as NaN', async () => {
    write(step(1, { loss: Number.NaN, gradNorm: Number.POSITIVE_INFINITY }));
    expect(await readMetrics(path)).toEqual([step(1, { loss: Number.NaN, gradNorm: Number.NaN })]);
  });

  it('pass over a torn last line, and a rewind removes it', async () => {
    write(step(1), step(2), step(3));
    await appendFile(path, '{"type":"step","sta');
    expect(await readMetrics(path)).toHaveLength(3);
    await rewindMetrics(path, 2);
    write(step(3, { loss: 7 }));
    expect((await readMetrics(path)).map((event) => [event.step, 'loss' in event && event.loss])).toEqual([
      [1, 2.3],
      [2, 2.3],
      [3, 7],
    ]);
  });

  for (const [what, line] of Object.entries({
    'no JSON': '{"type":',
    'an unknown type': '{"type":"other"}',
    'a field missing': JSON.stringify({ ...step(1), loss: undefined }),
    'a field unknown': JSON.stringify({ ...step(1), extra: 1 }),
  })) {
    it(`refuse ${what}, naming file and line`, async () => {
      write(step(1));
      await appendFile(path, `${line}\n`);
      await expect(readMetrics(path)).rejects.toMatchObject({
        code: 'RUN_FOLDER',
        message: expect.stringContaining(`${path}, line 2`),
      });
    });
  }

  it('say which file is missing or full', async () => {
    await expect(readMetrics(path)).rejects.toMatchObject({ code: 'RUN_FOLDER' });
    await rewindMetrics(path, 1);
    await writeFile(join(folder, 'file'), '');
    expect(() => new MetricsWriter(join(folder, 'file', 'x'))).toThrow(`${folder}/file/x can't be written`);
    const full = new MetricsWriter('/dev/full');
    // It may have room later; at the end there is no later.
    full.append(evaluation);
    expect(() => full.close()).toThrow('No space left for /dev/full');
  });
});
