/** Whole runs with real coordinators, workers and sockets, through the command line. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { alive, Commands, committed, computed, endpointOf, workerPids } from './lockstep-command.js';

const configText = (stages: string) => `
name: small
data: { dataset: sample, limit: { train: 256, test: 130 } }
model: { encoder: tiny, classifier: { hidden: [16], dropout: 0.2 }${stages.includes('npairs') ? ', projection: { widths: [16] }' : ''} }
batch: { microBatches: 4, microBatchSize: 16 }
evaluate: { batchSize: 50 }
deadlines: { connectSeconds: 60 }
stages:
${stages}`;
const softmax = (epochs: number, extra = '') => `  - name: train
    objective: softmax
    epochs: ${epochs}
    clipNorm: 1.0
    optimizer: { kind: sgd, weightDecay: 5.0e-4 }
    learningRate: { decay: cosine, peak: 0.05, warmupEpochs: 1 }
${extra}`;
const contrastive = `  - name: pretrain
    objective: npairs
    temperature: 0.1
    epochs: 2
    optimizer: { kind: adam }
    learningRate: { decay: constant, peak: 0.005 }
${softmax(1, '    freeze: encoder\n')}`;

let commands: Commands;
let folder: string;
beforeEach(() => {
  commands = new Commands();
  ({ folder } = commands);
});
afterEach(() => commands.end());

const start = (...args: string[]) => commands.start(args);

function configFile(stages: string): string {
  const path = join(folder, 'config.yaml');
  writeFileSync(path, configText(stages));
  return path;
}

async function train(stages: string, workers: number, ...more: string[]) {
  const out = join(folder, `run-${workers}${more.length}`);
  const args = ['train', configFile(stages), '--workers', String(workers), '--out', out, '--json', ...more];
  const { code, stdout, stderr } = await start(...args).ended;
  expect(stderr).not.toContain('error');
  expect(code).toBe(0);
  const results = await computed(out);
  return { out, results, summary: JSON.parse(stdout) as { weightsDigest: string; accuracy: number } };
}

describe('one config on 1, 2, 3 and 4 workers', () => {
  it.each([
    ['softmax with dropout, weight decay and clipping', softmax(2)],
    ['n-pairs, then a head on the frozen encoder', contrastive],
  ])('gives the same weights and metrics, bit for bit: %s', async (_, stages) => {
    const one = await train(stages, 1);
    expect(one.results.length).toBeGreaterThan(8);
    for (const workers of [2, 3, 4]) {
      const other = await train(stages, workers);
      expect(other.summary.weightsDigest).toBe(one.summary.weightsDigest);
      expect(other.results).toEqual(one.results);
    }
  });

  it('gives the same over TCP as through shared memory', async () => {
    const memory = mkdtempSync('/dev/shm/lockstep-test-');
    vi.stubEnv('LOCKSTEP_SHM_DIR', memory);
    try {
      const shared = await train(softmax(1), 2);
      const frames = await train(softmax(1), 2, '--set', 'exchange.sharedMemory=never');
      expect(frames.summary.weightsDigest).toBe(shared.summary.weightsDigest);
      expect(readdirSync(memory)).toEqual([]);
    } finally {
      vi.unstubAllEnvs();
      rmSync(memory, { recursive: true, force: true });
    }
  });
});

describe('a run folder', () => {
  it('holds run, metrics, summary, logs and a checkpoint that evaluates to the same accuracy', async () => {
    const { out, summary } = await train(softmax(2), 2);
    expect(readdirSync(out).sort()).toEqual([
      'checkpoints',
      'logs',
      'metrics.jsonl',
      'report.html',
      'run.json',
      'summary.json',
      'tensorboard',
    ]);
    expect(readdirSync(join(out, 'logs')).sort()).toEqual([
      'coordinator.log',
      'worker-0.log',
      'worker-1.log',
    ]);
    for (const workers of ['1', '3']) {
      const { code, stdout } = await start('eval', out, '--workers', workers, '--json').ended;
      expect(code).toBe(0);
      expect(JSON.parse(stdout)).toMatchObject({ accuracy: summary.accuracy, images: 130 });
    }
  });

  it('is not written into when something is there', async () => {
    const path = configFile(softmax(1));
    const { code, stderr } = await start('train', path, '--out', folder).ended;
    expect(code).toBe(1);
    expect(stderr).toMatch(/^lockstep: error: Run folder .* is not empty/);
    expect(existsSync(join(folder, 'logs'))).toBe(false);
  });
});

describe('when a process dies', () => {
  /** Starts a long run, and waits until it has committed a step. */
  async function running(workers: number, ...more: string[]) {
    const out = join(folder, 'run');
    const config = configFile(softmax(5000));
    const run = start('train', config, '--workers', String(workers), '--out', out, ...more);
    for await (const line of createInterface(run.child.stderr!)) if (line.includes('step')) break;
    run.child.stderr!.resume();
    const pids = workerPids(out);
    expect(pids).toHaveLength(workers);
    return { ...run, out, pids };
  }

  it('a killed worker that no other can replace ends the run within 10 s, named with rank, host and phase', async () => {
    const { child, ended, pids, out } = await running(
      3,
      ...['--min-workers', '3', '--set', 'recovery.restarts=0'],
    );
    await committed(out, 1);
    const began = performance.now();
    process.kill(pids[1]!, 'SIGKILL');
    const { code } = await ended;
    expect(performance.now() - began).toBeLessThan(10_000);
    expect(code).toBe(1);
    expect(readFileSync(join(out, 'logs', 'coordinator.log'), 'utf8')).toMatch(
      /Lost rank \d on \S+ \(phase: [a-z ]+, step \d+\): killed by SIGKILL/,
    );
    // What there is to see of it is there, and why it ended.
    expect(readFileSync(join(out, 'report.html'), 'utf8')).toMatch(/The run has failed: Lost rank \d on /);
    expect(pids.filter(alive)).toEqual([]);
    expect(child.exitCode).toBe(1);
  });

  it('a killed coordinator ends its workers within 10 s, each with a line that says so', async () => {
    const { child, ended, pids, out } = await running(2);
    child.kill('SIGKILL');
    await ended;
    const deadline = performance.now() + 10_000;
    while (pids.some(alive) && performance.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, 100));
    expect(pids.filter(alive)).toEqual([]);
    const log = readFileSync(join(out, 'logs', 'worker-0.log'), 'utf8');
    expect(log).toMatch(/lockstep: error: The coordinator at \S+ has been silent for .* \(phase: /);
  });
});

describe('workers that are started by hand', () => {
  it('train as launched ones do, and get their samples over the network where they have none', async () => {
    const launched = await train(softmax(1), 2);
    const out = join(folder, 'by-hand');
    const coordinator = start(
      ...[
        'coordinator',
        configFile(softmax(1)),
        '--workers',
        '2',
        '--bind',
        'tcp://127.0.0.1:*',
        '--out',
        out,
        '--json',
      ],
    );
    await endpointOf(out);
    const joinFile = join(out, 'join.json');
    const elsewhere = start('worker', '--join', joinFile);
    // No sample here, and none can be unpacked below a file.
    const cache = join(configFile(softmax(1)), 'cache');
    const remote = commands.start(['worker', '--join', joinFile], { LOCKSTEP_CACHE: cache });
    const { code, stdout } = await coordinator.ended;
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ weightsDigest: launched.summary.weightsDigest });
    expect((await remote.ended).stdout).toContain('samples come from the coordinator');
    expect((await elsewhere.ended).stdout).not.toContain('samples come from the coordinator');
  });
});

describe('bad input', () => {
  it.each([
    [['train', 'missing.yaml'], 1, /missing\.yaml: there is no such file/],
    [['train', 'CONFIG', '--set', 'stages.0.optimzer=1'], 1, /optimzer.*optimizer/],
    [['train', 'CONFIG', '--workers', '5'], 2, /5 workers can't share 4 micro-batches/],
    [['train', 'CONFIG', '--workers', 'two'], 2, /--workers takes a whole number/],
    [['eval', '/nowhere'], 1, /\/nowhere is no checkpoint/],
    [['trian'], 2, /trian/],
  ])('%s: one clear line and an exit code', async (args, expected, line) => {
    const path = configFile(softmax(1));
    const out = ['--out', join(folder, 'out')];
    const resolved = args.map((arg) => (arg === 'CONFIG' ? path : arg));
    const { code, stderr } = await start(...resolved, ...(args[0] === 'train' ? out : [])).ended;
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(stderr).toMatch(line);
    expect(code).toBe(expected);
  });
});
