import { appendFile, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { writeAtomically } from '../../shared/checkpoint/durable.js';
import { MetricsTail } from './metrics-tail.js';

let folder: string;
let path: string;
let tail: MetricsTail;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lockstep-tail-'));
  path = join(folder, 'metrics.jsonl');
  tail = new MetricsTail(path);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const line = (step: number) =>
  `${JSON.stringify({ type: 'eval', stage: 'ä', epoch: 1, step, loss: 1, accuracy: 0.5 })}\n`;

/** The steps of the events that are new. */
const news = async () => {
  const { events, restarted } = await tail.read();
  return [events.map(({ step }) => step), restarted];
};

describe('the tail of metrics.jsonl', () => {
  it('gives each event once, as soon as its line is whole', async () => {
    expect(await news()).toEqual([[], false]);
    await writeFile(path, '');
    expect(await news()).toEqual([[], false]);
    await appendFile(path, line(1) + line(2) + line(3).slice(0, 20));
    expect(await news()).toEqual([[1, 2], false]);
    expect(await news()).toEqual([[], false]);
    await appendFile(path, line(3).slice(20));
    expect(await news()).toEqual([[3], false]);
  });

  it('begins anew when a resumed run has put another file in its place, longer or shorter', async () => {
    await writeFile(path, line(1) + line(2));
    await news();
    await writeAtomically(path, line(1));
    expect(await news()).toEqual([[1], true]);
    await writeAtomically(path, line(1) + line(2) + line(3));
    expect(await news()).toEqual([[1, 2, 3], true]);
    await truncate(path, Buffer.byteLength(line(1)));
    expect(await news()).toEqual([[1], true]);
  });

  it('waits for a last line that is damaged, since its bytes may be on their way', async () => {
    await writeFile(path, `${line(1)}\0\0\0\0\n`);
    expect(await news()).toEqual([[1], false]);
    expect(await news()).toEqual([[], false]);
    await truncate(path, Buffer.byteLength(line(1)));
    await appendFile(path, line(2));
    expect(await news()).toEqual([[2], false]);
  });

  it('refuses any other damaged line, naming file and line', async () => {
    await writeFile(path, `${line(1)}nonsense\n${line(3)}`);
    await expect(tail.read()).rejects.toMatchObject({
      code: 'RUN_FOLDER',
      message: expect.stringContaining(`${path}, line 2`),
    });
    await expect(new MetricsTail(folder).read()).rejects.toMatchObject({ code: 'RUN_FOLDER' });
  });
});
