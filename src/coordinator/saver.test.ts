import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Standing } from '../shared/checkpoint/manifest.js';
import { LockstepError } from '../shared/errors.js';
import { Saver } from './saver.js';

let runFolder: string;
beforeEach(async () => {
  runFolder = await mkdtemp(join(tmpdir(), 'lockstep-saver-'));
});
afterEach(() => rm(runFolder, { recursive: true, force: true }));

const full = new LockstepError('CHECKPOINT', 'No space left.');
const lost = new LockstepError('WORKER_LOST', 'rank 0 was lost.');

const somebody = () => true;

function standing(step: number): Standing {
  return { step, epoch: 1, stage: 's', position: {}, configDigest: 'c', config: {} };
}

/** A saver whose attempts to write come to what is given, one after the other. */
function saverWith(...outcomes: readonly (string | Error)[]) {
  const said: string[] = [];
  const attempts: number[] = [];
  const saver = new Saver({
    ...{ runFolder, keep: 2, events: [] },
    save: async ({ step }) => {
      const outcome = outcomes[attempts.length]!;
      attempts.push(step);
      said.push(`try ${step}`);
      if (outcome instanceof Error) throw outcome;
      return outcome;
    },
    saved: (message) => said.push(message),
    failed: (message) => said.push(message),
  });
  return { saver, said };
}

describe('a saver', () => {
  it('gives the digest of what it saved last', async () => {
    const { saver } = saverWith('one', 'two');
    expect(await saver.finish(somebody)).toBeUndefined();
    await saver.begin(standing(1));
    await saver.begin(standing(2));
    expect(await saver.finish(somebody)).toBe('two');
  });

  it('tries once more at the end of the run what could not be written', async () => {
    const { saver, said } = saverWith(full, 'one');
    await saver.begin(standing(1));
    expect(await saver.finish(somebody)).toBe('one');
    expect(said).toEqual([
      'try 1',
      expect.stringMatching(/^no checkpoint after step 1: .*No space left/),
      'try 1',
      'checkpoint after step 1: weights one',
    ]);
  });

  it('throws why, if that fails again', async () => {
    const { saver, said } = saverWith(full, full);
    await saver.begin(standing(1));
    await expect(saver.finish(somebody)).rejects.toBe(full);
    expect(said.filter((line) => line === 'try 1')).toHaveLength(2);
  });

  it('asks the others for the last checkpoint when its sender is lost, also in the second try', async () => {
    const { saver, said } = saverWith(full, lost, lost, 'one');
    await saver.begin(standing(1));
    expect(await saver.finish(somebody)).toBe('one');
    expect(said.filter((line) => !line.startsWith('no checkpoint'))).toEqual([
      ...['try 1', 'try 1', 'try 1', 'try 1'],
      'checkpoint after step 1: weights one',
    ]);
  });

  it('ends with the run when nobody is left to ask', async () => {
    const { saver } = saverWith(lost);
    await saver.begin(standing(1));
    await expect(saver.finish(() => false)).rejects.toBe(lost);
  });

  it('lets a run go on for want of space, but for nothing else', async () => {
    const { saver } = saverWith(full, new LockstepError('PROTOCOL', 'Nonsense.'));
    await saver.begin(standing(1));
    await saver.settle();
    await saver.begin(standing(2));
    await expect(saver.settle()).rejects.toThrow('Nonsense.');
    expect(() => saver.check()).toThrow('Nonsense.');
  });
});
