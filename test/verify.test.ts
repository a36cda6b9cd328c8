/** `lockstep verify`, as a user runs it. */
import { afterAll, describe, expect, it } from 'vitest';
import { Commands } from './lockstep-command.js';

const commands = new Commands();
afterAll(() => commands.end());

const verify = (...args: string[]) => commands.start(['verify', ...args]).ended;

describe('lockstep verify', () => {
  it('finds the same weights with 1, 2, 3 and 4 workers, in every stage', async () => {
    const { code, stdout } = await verify('--json');
    expect(code).toBe(0);
    const { equal, runs, difference } = JSON.parse(stdout);
    expect({ equal, difference }).toEqual({ equal: true, difference: null });
    expect(runs.map(({ workers }: { workers: number }) => workers)).toEqual([1, 2, 3, 4]);
    expect(new Set(runs.map(({ weightsDigest }: { weightsDigest: string }) => weightsDigest)).size).toBe(1);
    // Five epochs of three steps.
    expect(runs[0].steps).toBe(15);
  });

  it('finds them with BatchNorm over the global batch too', async () => {
    const { code, stdout, stderr } = await verify(
      ...['--workers', '1,2', '--steps', '2', '--json'],
      ...['--set', 'model.batchNorm.statistics=globalBatch'],
    );
    expect(code, stderr).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ equal: true, difference: null });
  });

  it('finds them in two views of each image, and with label smoothing', async () => {
    const rest =
      'epochs: 1, optimizer: {kind: sgd, nesterov: false}, learningRate: {decay: constant, peak: 0.01}';
    const stages = [
      `{name: supcon, objective: supcon, views: 2, temperature: 0.1, ${rest}}`,
      `{name: ntxent, objective: ntxent, temperature: 0.5, ${rest}}`,
      `{name: train, objective: softmax, labelSmoothing: 0.1, ${rest}}`,
    ];
    const { code, stdout, stderr } = await verify(
      ...['--json', '--set', 'data.limit.train=160', '--set', `stages=[${stages.join(', ')}]`],
    );
    expect(code, stderr).toBe(0);
    const { equal, runs } = JSON.parse(stdout);
    expect(equal).toBe(true);
    expect(runs).toMatchObject([1, 2, 3, 4].map((workers) => ({ workers, steps: 6 })));
  });

  it('names the rank and the step of a replica that strays by one bit', async () => {
    const { code, stdout } = await verify('--workers', '1,3', '--inject', 'encoder.conv1.kernel');
    expect(code).toBe(0);
    expect(stdout).toMatch(/Caught: Replicas differ in their weights before step 0: rank 2 on \S+ \(/);
  });

  it('says so when there is no such tensor, or nothing to compare with', async () => {
    const missing = await verify('--workers', '2', '--inject', 'nonsense');
    expect(missing.code).toBe(1);
    expect(missing.stderr).toContain("The model has no tensor 'nonsense'");
    const alone = await verify('--workers', '1', '--inject', 'encoder.conv1.kernel');
    expect(alone.code).toBe(2);
    expect(alone.stderr).toContain('--inject needs at least 2 workers');
  });
});
