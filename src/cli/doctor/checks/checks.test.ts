import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Config } from '../../../shared/config/schema.js';
import { readTrial, tryEngine } from '../engine-trial.js';
import type { Finding } from '../finding.js';
import { cgroupLimits } from './cgroup.js';
import { diskFinding, judgeDisk, measureDisk } from './disk.js';
import { gpuFindings, parseGpus, readDriver, visibleGpus } from './gpu.js';
import { memoryFinding, openFilesFinding, sharedMemoryFinding } from './memory.js';
import { hostnameFinding, interfacesFinding } from './network.js';
import { precisionFindings } from './precision.js';
import { processorFindings } from './processor.js';
import { parseDuration, secondsLeft, slurmFindings } from './slurm.js';
import { lookAtSoftware, nodeFinding, trialFindings } from './software.js';

const plan = { runs: 'runs', config: undefined, workers: 2 };
const levels = (findings: readonly Finding[]) =>
  Object.fromEntries(findings.map(({ check, level }) => [check, level]));

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lockstep-doctor-test-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('software', () => {
  it('takes the Node versions of package.json, even ones only', () => {
    const level = (version: string) => nodeFinding(version, '>=20 <23').level;
    expect(['v18.1.0', 'v20.20.2', 'v21.0.0', 'v22.1.0', 'v23.0.0', 'v24.0.0'].map(level)).toEqual([
      ...['failure', 'ok', 'failure', 'ok', 'failure', 'failure'],
    ]);
  });

  it("says when the engine has not the config's precision", () => {
    const found = (precision: string, kind: 'cpu' | 'gpu') =>
      precisionFindings(
        { ...plan, config: { precision } as Config },
        { kind, version: '', libraryPath: '' },
      )[0];
    expect(found('float16', 'cpu')).toMatchObject({
      level: 'failure',
      advice: expect.stringContaining('bfloat16'),
    });
    expect(found('bfloat16', 'gpu')).toMatchObject({ level: 'failure' });
    expect(found('bfloat16', 'cpu')).toMatchObject({ level: 'ok', value: 'bfloat16 on CPU' });
    expect(precisionFindings(plan, { kind: 'cpu', version: '', libraryPath: '' })).toEqual([]);
  });

  const answer = 'probe:{"loadMs":700,"peakRssBytes":4e8,"matmulGflops":{"float32":200,"bfloat16":400}}';

  it('reads what TensorFlow logs', () => {
    const log = [
      'I0000 port.cc:153] oneDNN custom operations are on. You may see',
      'I0000 gpu_device.cc:2040] Created device /job:localhost/replica:0/task:0/device:GPU:0 with 78000 MB memory:  -> device: 0, name: NVIDIA H100 80GB HBM3, pci bus id: 0000:18:00.0, compute capability: 9.0',
    ].join('\n');
    expect(readTrial(`\n${answer}\n`, log)).toMatchObject({
      probe: { oneDnn: true, gpus: [{ name: 'NVIDIA H100 80GB HBM3', memoryBytes: 78000 * 2 ** 20 }] },
    });
    expect(levels(trialFindings(readTrial(answer, '')))).toMatchObject({ oneDNN: 'warning' });
  });

  it('says what set-up has not made, or not whole', async () => {
    const engineIn = async () =>
      (await lookAtSoftware(folder)).findings.find(({ check }) => check === 'engine');
    writeFileSync(join(folder, 'package.json'), '{"engines":{"node":">=20 <23"}}');
    expect(await engineIn()).toMatchObject({ level: 'failure', value: expect.stringContaining('No engine') });
    mkdirSync(join(folder, '.engine'));
    const record = { kind: 'cpu', version: '2.21.0', libraryPath: 'lib', files: [{ path: 'lib', bytes: 3 }] };
    writeFileSync(join(folder, '.engine', 'engine.json'), JSON.stringify(record));
    writeFileSync(join(folder, 'lib'), 'ab');
    expect(await engineIn()).toMatchObject({ level: 'failure', value: 'lib is not whole.' });
    writeFileSync(join(folder, 'lib'), 'abc');
    expect(await engineIn()).toMatchObject({ level: 'failure', value: "tfjs's addon is not compiled." });
    const addon = join(folder, 'node_modules/@tensorflow/tfjs-node-gpu/lib/napi-v8/tfjs_binding.node');
    mkdirSync(dirname(addon), { recursive: true });
    writeFileSync(addon, '');
    const addition = 'the addition of gradients is not compiled.';
    expect(await engineIn()).toMatchObject({ level: 'failure', value: addition });
  });

  it('ends an engine that hangs', async () => {
    const probe = join(folder, 'probe.mjs');
    writeFileSync(probe, 'setInterval(() => {}, 1000);');
    expect(await tryEngine(probe, 300)).toEqual({ failure: 'no answer in 0.3 s' });
  });

  it('says why an engine does not load', () => {
    const trial = readTrial('', 'node:internal\nError: libcudart.so.12: cannot open\n  at x\n', 1);
    expect(trialFindings(trial)).toMatchObject([
      { level: 'failure', value: 'it ended by 1: Error: libcudart.so.12: cannot open' },
    ]);
    expect(readTrial('', '', 'SIGSEGV')).toEqual({ failure: 'it ended by SIGSEGV: it printed nothing' });
  });
});

describe('processor', () => {
  const processor = {
    model: 'X',
    flags: new Set(['avx2']),
    bfloat16: [],
    cores: 8,
    allowed: 8,
    quota: undefined,
  };

  it('warns when workers share cores, or the model is old', () => {
    expect(levels(processorFindings(processor, plan))).toEqual({ model: 'ok', cores: 'ok', bfloat16: 'ok' });
    expect(levels(processorFindings({ ...processor, quota: 1.5 }, plan)).cores).toBe('warning');
    expect(levels(processorFindings({ ...processor, flags: new Set() }, plan)).model).toBe('warning');
  });
});

describe('a control group', () => {
  const put = (path: string, text: string) => {
    mkdirSync(join(folder, path, '..'), { recursive: true });
    writeFileSync(join(folder, path), text);
  };

  it('of v2 is as tight as its tightest parent', () => {
    put('proc/self/cgroup', '0::/slurm/job_1/step_0\n');
    put('sys/fs/cgroup/slurm/job_1/memory.max', '8000000000\n');
    put('sys/fs/cgroup/slurm/job_1/step_0/memory.max', 'max\n');
    put('sys/fs/cgroup/slurm/cpu.max', '150000 100000\n');
    expect(cgroupLimits(folder)).toEqual({ memoryBytes: 8e9, cpus: 1.5 });
  });

  it('of v1 knows "no limit" by a huge number', () => {
    put('proc/self/cgroup', '4:memory:/a\n1:cpu,cpuacct:/a\n');
    put('sys/fs/cgroup/memory/memory.limit_in_bytes', '9223372036854771712\n');
    put('sys/fs/cgroup/memory/a/memory.limit_in_bytes', '4000000000\n');
    put('sys/fs/cgroup/cpu/a/cpu.cfs_quota_us', '-1\n');
    put('sys/fs/cgroup/cpu/a/cpu.cfs_period_us', '100000\n');
    expect(cgroupLimits(folder)).toEqual({ memoryBytes: 4e9, cpus: undefined });
  });
});

describe('memory', () => {
  const memory = { totalBytes: 64e9, availableBytes: 60e9, limitBytes: undefined };

  it('is judged by the job, not by the machine', () => {
    const level = (limitBytes: number | undefined) => memoryFinding({ ...memory, limitBytes }, plan).level;
    expect([undefined, 3e9, 0.5e9].map(level)).toEqual(['ok', 'warning', 'failure']);
  });

  it('that is shared should hold an exchange', () => {
    expect(sharedMemoryFinding('/dev/shm', 64e6, 2)).toMatchObject({ level: 'warning' });
    expect(sharedMemoryFinding('/dev/shm', 64e9, 2)).toMatchObject({ level: 'ok' });
    expect(sharedMemoryFinding('/nowhere', undefined, 2).value).toBe('/nowhere is not there');
  });

  it('and open files come from limits', () => {
    const limits = (soft: string) =>
      `Limit   Soft\nMax open files            ${soft}                20000  files\n`;
    expect(openFilesFinding(limits('256')).level).toBe('warning');
    expect(openFilesFinding(limits('unlimited')).level).toBe('ok');
  });
});

describe('GPUs', () => {
  const csv = [
    '0, GPU-aaaa, NVIDIA H100 80GB HBM3, 81559, 4, 550.54.15',
    '1, GPU-bbbb, NVIDIA H100 80GB HBM3, 81559, 70000, 550.54.15',
  ].join('\n');
  const gpus = parseGpus(csv);
  const gpu = { kind: 'gpu' } as const;

  it('are those that CUDA_VISIBLE_DEVICES names, up to the first that is none', () => {
    const seen = (variable: string | undefined) => visibleGpus(gpus, variable).map(({ index }) => index);
    expect([undefined, '1', '1,0', 'GPU-b', '', '0,7,1'].map(seen)).toEqual([
      ...[[0, 1], [1], [1, 0], [1], [], [0]],
    ]);
  });

  it('that another process uses, and engines that do not fit, are told', () => {
    const found = levels(gpuFindings({ gpus }, {}, gpu, { gpus: [] }));
    expect(found).toEqual({
      ...{ GPUs: 'ok', 'GPU 0': 'ok', 'GPU 1': 'warning', driver: 'ok', 'TensorFlow on GPU': 'failure' },
    });
    expect(levels(gpuFindings({ gpus }, {}, { kind: 'cpu' })).GPUs).toBe('warning');
    expect(levels(gpuFindings({ gpus }, { CUDA_VISIBLE_DEVICES: '' }, gpu)).GPUs).toBe('warning');
    expect(levels(gpuFindings(undefined, {}, gpu)).GPUs).toBe('warning');
    expect(levels(gpuFindings(undefined, {}, { kind: 'cpu' })).GPUs).toBe('ok');
    expect(levels(gpuFindings(undefined, { CUDA_VISIBLE_DEVICES: '0' })).GPUs).toBe('warning');
  });

  it('whose driver fails are a failure with its words', async () => {
    const broken = join(folder, 'nvidia-smi');
    writeFileSync(broken, '#!/bin/sh\necho "Failed to initialize NVML"\nexit 18\n', { mode: 0o755 });
    const driver = await readDriver(broken);
    expect(gpuFindings(driver, {})).toMatchObject([
      { level: 'failure', value: 'nvidia-smi fails: Failed to initialize NVML' },
    ]);
    expect(await readDriver(join(folder, 'none'))).toBeUndefined();
  });
});

describe('network', () => {
  const at = (address: string, internal = false) =>
    ({ address, internal, family: 'IPv4', netmask: '', mac: '', cidr: null }) as const;
  const [lo, eth, bridge] = [[at('127.0.0.1', true)], [at('10.0.0.1')], [at('172.17.0.1')]];

  it('tells the address that others get, and that of a bridge is none', () => {
    expect(interfacesFinding({ lo, eth0: eth }, '10.0.0.1').level).toBe('ok');
    expect(interfacesFinding({ lo }, undefined)).toMatchObject({ level: 'warning', value: 'loopback only' });
    const found = interfacesFinding({ lo, docker0: bridge, eth0: eth }, '172.17.0.1');
    expect(found).toMatchObject({ level: 'warning', advice: expect.stringContaining('--advertise') });
  });

  it('warns of a host name that means loopback', () => {
    expect(hostnameFinding('node1', '127.0.1.1').level).toBe('warning');
    expect(hostnameFinding('node1', undefined).level).toBe('warning');
    expect(hostnameFinding('node1', '10.0.0.1').level).toBe('ok');
  });
});

describe('a disk', () => {
  const disk = {
    folder: '/x',
    fileSystem: 'ext4',
    freeBytes: 1e12,
    writeBytesPerSecond: 2e8,
    readBytesPerSecond: 2e8,
    smallFileMs: 4,
  };

  it('is measured above a folder that is not there, and left as it was', async () => {
    const { writeBytesPerSecond, readBytesPerSecond, smallFileMs } = await measureDisk(
      join(folder, 'a', 'b'),
    );
    expect(writeBytesPerSecond).toBeGreaterThan(0);
    expect(readBytesPerSecond).toBeGreaterThan(0);
    expect(smallFileMs).toBeGreaterThan(0);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('is judged by its speed and room', () => {
    expect(judgeDisk('runs', disk).level).toBe('ok');
    expect(judgeDisk('runs', { ...disk, writeBytesPerSecond: 1e7 }).level).toBe('warning');
    expect(judgeDisk('runs', { ...disk, readBytesPerSecond: 1e7 }).level).toBe('warning');
    expect(judgeDisk('runs', { ...disk, freeBytes: 1e9 }).level).toBe('warning');
    expect(judgeDisk('runs', { ...disk, freeBytes: 1e8 }).level).toBe('failure');
  });

  it('where nothing can be written is a failure', async () => {
    writeFileSync(join(folder, 'file'), '');
    expect(await diskFinding('runs', join(folder, 'file', 'runs'))).toMatchObject({ level: 'failure' });
    expect(await diskFinding('runs', '/proc/none')).toMatchObject({ level: 'failure' });
  });
});

describe('Slurm', () => {
  const batch = {
    ...{ SLURM_JOB_ID: '7', SLURM_JOB_NUM_NODES: '2', SLURM_NTASKS: '4', SLURM_CPUS_PER_TASK: '14' },
    ...{ SLURM_GPUS_ON_NODE: '2', SLURM_NTASKS_PER_NODE: '2', SLURM_TMPDIR: '/localscratch/me' },
  };
  const task = { ...batch, SLURM_STEP_ID: '0', SLURM_PROCID: '1', CUDA_VISIBLE_DEVICES: '1' };

  it('is not there outside of a job', () => {
    expect(slurmFindings({}, 2, undefined)).toEqual([]);
  });

  it('is well in a task with its own GPU and cores', () => {
    expect(new Set(slurmFindings(task, 14, 4000).map(({ level }) => level))).toEqual(new Set(['ok']));
    expect(levels(slurmFindings(batch, 1, 4000))).not.toHaveProperty('cores of the task');
  });

  it('has traps, each with what to do', () => {
    const warned = (env: object, cores = 14, left = 4000) =>
      slurmFindings({ ...task, ...env }, cores, left)
        .filter(({ level }) => level === 'warning')
        .map(({ check }) => check);
    expect(warned({ CUDA_VISIBLE_DEVICES: '0,1', SLURM_NTASKS_PER_NODE: '4' })).toEqual(['GPUs of the task']);
    expect(warned({ CUDA_VISIBLE_DEVICES: '0,1', SLURM_NTASKS_PER_NODE: '2' })).toEqual([]);
    expect(warned({ CUDA_VISIBLE_DEVICES: '' })).toEqual(['GPUs of the task']);
    expect(warned({}, 1)).toEqual(['cores of the task']);
    expect(warned({ SLURM_TMPDIR: undefined })).toEqual(['SLURM_TMPDIR']);
    expect(warned({ SLURM_RESTART_COUNT: '20' })).toEqual(['requeued']);
    expect(warned({}, 14, 100)).toEqual(['time left']);
  });

  it('knows how long a job may still run', async () => {
    expect(['5:07', '1:00:00', '2-03:00:00', 'UNLIMITED'].map(parseDuration)).toEqual([
      ...[307, 3600, 183_600, undefined],
    ]);
    expect(await secondsLeft({ SLURM_JOB_ID: '7', SLURM_JOB_END_TIME: '1000' }, 400_000)).toBe(600);
    expect(await secondsLeft({})).toBeUndefined();
  });
});
