/** Weights of torchvision and Keras give the logits that PyTorch and Keras give: recorded by bench/transfer_fixture.py. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { buildModel } from '../src/shared/model/model.js';
import { writeKerasFile, writeTorchFile } from './formula-file.js';
import { pixels } from './formula-weights.js';
import { configOfPeer } from './peer-config.js';
import { logitsOf } from './transfer-logits.js';

interface Fixture {
  readonly images: number;
  readonly cases: readonly {
    readonly source: 'torchvision' | 'keras';
    readonly network: string;
    readonly stem: 'cifar' | 'imagenet';
    readonly size: number;
    readonly logits: readonly (readonly number[])[];
  }[];
}

const fixture: Fixture = JSON.parse(
  await readFile(new URL('fixtures/transfer.json', import.meta.url), 'utf8'),
);
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lockstep-transfer-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('the same images and weights give the same logits as', () => {
  it.each(fixture.cases)('$source $network, $stem stem, enlarged to $size', async (one) => {
    const { model: config } = configOfPeer(one);
    const path = join(folder, one.source === 'keras' ? 'weights.h5' : 'weights.safetensors');
    await (one.source === 'keras' ? writeKerasFile : writeTorchFile)(path, buildModel(config));
    const logits = await logitsOf(config, path, pixels(fixture.images), fixture.images);
    const expected = one.logits.flat();
    const scale = Math.max(...expected.map(Math.abs));
    const worst = Math.max(...expected.map((value, i) => Math.abs(value - logits[i]!)));
    expect(worst).toBeLessThan(1e-4 * Math.max(1, scale));
  });
});
