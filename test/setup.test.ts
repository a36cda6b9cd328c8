/** What a user sees of `node scripts/setup.mjs`: a fresh clone, a second start, every error, and repairs. */
import { execFile, execFileSync, spawnSync } from 'node:child_process';
import {
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chooseEngine } from '../scripts/setup/choice.mjs';
import { takeLock } from '../scripts/setup/lock.mjs';
import { requirementsOf } from '../scripts/setup/wheels.mjs';
import { cpuWheel, type Project, type Result, Workshop, wheels } from './setup-machine.js';

let workshop: Workshop;
beforeAll(() => {
  workshop = new Workshop();
  workshop.makeWheels(join(workshop.folder, 'wheels'), wheels);
});
afterAll(() => workshop.close());

const failureLine = (result: Result) => {
  expect(result.code).toBe(1);
  expect(result.stdout).toBe('');
  const lines = result.stderr.split('\n').filter((line) => line.startsWith('lockstep set-up failed: '));
  expect(lines, result.stderr).toHaveLength(1);
  expect(result.stderr).not.toMatch(/^\s+at /m);
  return lines[0] ?? '';
};
const programs = (calls: readonly string[]) => calls.map((call) => call.split(' ')[0]);
const leftovers = (project: Project) =>
  ['.engine', '.cache/setup', 'node_modules/@tensorflow/tfjs-node-gpu/lib/napi-v8']
    .flatMap((folder) => (project.has(folder) ? readdirSync(project.path(folder)) : []))
    .filter((name) => name.includes('staging') || /^tfjs_binding\.\d/.test(name));

const expectReady = (project: Project, result: Result) => {
  expect(result.stderr).toMatch(/ready, TensorFlow 9\.9\.9 \(cpu\)\n$/);
  expect(result.code).toBe(0);
  const engine = JSON.parse(project.read('.engine/engine.json'));
  expect(engine).toMatchObject({ kind: 'cpu', version: '9.9.9' });
  expect(project.read(engine.libraryPath)).toBe('cc cpu');
  expect(project.read(engine.frameworkPath)).toBe('framework cpu');
  expect(
    statSync(project.path('node_modules/@tensorflow/tfjs-node-gpu/lib/napi-v8/tfjs_binding.node')).size,
  ).toBe(statSync(workshop.addon).size);
  expect(project.read('dist/main.js')).toBe('export {};');
  expect(leftovers(project)).toEqual([]);
};

describe('--prefix', () => {
  test('sets all up in another folder, and renews it', async () => {
    const clone = workshop.newProject();
    const prefix = join(workshop.folder, 'shared folder');
    const there = clone.at(prefix);
    const setUp = () => clone.start({}, [], ['--prefix', prefix]).ended;
    expectReady(there, await setUp());
    expect(['node_modules', '.engine', 'dist'].filter((name) => clone.has(name))).toEqual([]);
    expect(programs(clone.calls())).toEqual(['npm', 'pip', 'g++', 'tsc']);

    there.write('src/old.ts', '');
    clone.write('src/new.ts', '');
    expectReady(there, await setUp());
    expect(programs(clone.calls())).toEqual(['tsc']);
    expect(readdirSync(there.path('src')).sort()).toEqual(['main.ts', 'new.ts']);
  });

  test('refuses a folder that holds something else, and options that it does not have', async () => {
    const clone = workshop.newProject();
    const inUse = mkdtempSync(join(workshop.folder, 'in-use-'));
    writeFileSync(join(inUse, 'thesis.tex'), '');
    const refused = await clone.start({}, [], ['--prefix', inUse]).ended;
    expect(failureLine(refused)).toContain(`${inUse} is not empty, and no Lockstep.`);
    expect(readdirSync(inUse)).toEqual(['thesis.tex']);
    const unknown = await clone.start({}, [], ['--perfix', inUse]).ended;
    expect(failureLine(unknown)).toContain('--perfix');
  });
});

describe('a fresh clone', () => {
  test('is made ready in one line a stage; a second start installs nothing and is quick', async () => {
    const project = workshop.newProject();
    const first = await project.setUp();
    expectReady(project, first);
    expect(first.stderr.trim().split('\n')).toEqual([
      expect.stringMatching(/: installing the npm packages \.\.\. [\d.]+ s$/),
      expect.stringMatching(/: downloading tensorflow-cpu 9\.9\.9, \d+ MB \.\.\. [\d.]+ s$/),
      expect.stringMatching(/: unpacking TensorFlow 9\.9\.9 \(cpu\) \.\.\. [\d.]+ s$/),
      expect.stringMatching(/: compiling tfjs's addon \.\.\. [\d.]+ s$/),
      expect.stringMatching(/: compiling the sources \.\.\. [\d.]+ s$/),
      expect.stringMatching(/: ready/),
    ]);
    expect(programs(project.calls())).toEqual(['npm', 'pip', 'g++', 'tsc']);
    expect(project.has('.engine/cpu-9.9.9/tensorflow/include/unused')).toBe(false);
    expect(project.has('.engine/cpu-9.9.9/tensorflow/python')).toBe(false);

    const started = performance.now();
    expectReady(project, await project.setUp());
    expect(performance.now() - started).toBeLessThan(2000);
    expect(project.calls()).toEqual([]);
  });

  test('asks pip for the wheel of the one supported Python, whatever Python runs pip', async () => {
    const project = workshop.newProject();
    await project.setUp();
    const pip = project.calls().find((call) => call.startsWith('pip'));
    expect(pip).toContain('--no-deps --only-binary=:all:');
    expect(pip).toContain('--python-version 3.12 --implementation cp --platform manylinux_2_27_x86_64');
    expect(pip).toMatch(/tensorflow-cpu==9\.9\.9$/);
  });

  test('takes the wheel from the cache of an earlier clone, and not when it is damaged', async () => {
    const [one, two, three] = [workshop.newProject(), workshop.newProject(), workshop.newProject()];
    await one.setUp();
    const cache = { XDG_CACHE_HOME: one.env.XDG_CACHE_HOME };
    expectReady(two, await two.setUp(cache));
    expect(programs(two.calls())).not.toContain('pip');

    writeFileSync(join(one.env.XDG_CACHE_HOME ?? '', 'lockstep', cpuWheel), 'damaged');
    const result = await three.setUp(cache);
    expectReady(three, result);
    expect(result.stderr).toMatch(/tensorflow_cpu-1\.whl is damaged: downloading it again/);
  });

  test('can be moved afterwards: the addon finds the engine relative to itself', async () => {
    const project = workshop.newProject();
    await project.setUp();
    const gxx = project.calls().find((call) => call.startsWith('g++'));
    expect(gxx).toContain('-Wl,-rpath,$ORIGIN/../../../../../.engine/cpu-9.9.9/tensorflow');
  });
});

describe('a change', () => {
  let project: Project;
  beforeAll(async () => {
    project = workshop.newProject();
    await project.setUp();
    project.calls();
  });

  test('of a source compiles, and drops what its source no longer gives', async () => {
    project.write('src/main.ts', 'export const one = 1;');
    project.write('src/other.ts', 'export const two = 2;');
    expect((await project.setUp()).code).toBe(0);
    expect(project.calls()).toEqual(['tsc']);
    expect(project.read('dist/other.js')).toContain('two');

    rmSync(project.path('src/other.ts'));
    project.write('src/main.ts', 'export {};');
    expectReady(project, await project.setUp());
    expect(project.has('dist/other.js')).toBe(false);
    project.calls();
  });

  test('of a native source compiles it beside what the others become, and drops it with its source', async () => {
    project.write('src/sum.cc', 'int sum;');
    expectReady(project, await project.setUp());
    const calls = project.calls();
    expect(programs(calls)).toEqual(['tsc', 'g++']);
    expect(calls[1]).toMatch(/ -shared -fPIC \S+\/src\/sum\.cc -o \S+\/dist\/sum\.so\.\d+$/);
    expect(project.has('dist/sum.so')).toBe(true);

    project.write('src/sum.cc', 'int other;');
    const failed = await project.setUp({ FAKE_GXX_ERROR: 'sum.cc:1:1: error: no such type' });
    expect(failureLine(failed)).toMatch(/g\+\+ could not compile src\/sum\.cc: .*error: no such type/);
    expectReady(project, await project.setUp());
    rmSync(project.path('dist/sum.so'));
    project.calls();
    expectReady(project, await project.setUp());
    expect(programs(project.calls())).toEqual(['tsc', 'g++']);
    project.write('src/sum.h', '// what it includes');
    expectReady(project, await project.setUp());
    expect(programs(project.calls())).toEqual(['tsc', 'g++']);

    rmSync(project.path('src/sum.cc'));
    expectReady(project, await project.setUp());
    expect(readdirSync(project.path('dist')).filter((name) => name.includes('sum'))).toEqual([]);
    project.calls();
  });

  test('of the lock file installs the packages again and builds the addon in them', async () => {
    project.write('package-lock.json', '{"packages": {"node_modules/typescript": {"version": "2.0.0"}}}');
    expectReady(project, await project.setUp());
    expect(programs(project.calls())).toEqual(['npm', 'g++']);
  });

  test('of the lock file that somebody has installed already is accepted', async () => {
    const lock = '{"packages": {"node_modules/typescript": {"version": "3.0.0"}}}';
    project.write('package-lock.json', lock);
    project.write('node_modules/.package-lock.json', lock);
    project.write('node_modules/typescript/package.json', '{}');
    expectReady(project, await project.setUp());
    expect(project.calls()).toEqual([]);
  });

  test('that leaves an error in the sources is told with file and line', async () => {
    project.write('src/main.ts', 'wrong');
    expect(failureLine(await project.setUp())).toMatch(/src\/main\.ts\(1,1\): error TS2304.*`npm run check`/);
    project.write('src/main.ts', 'export {};');
    expectReady(project, await project.setUp());
  });
});

describe('an error is one line that says what to do', () => {
  test.each(['v18.20.4', 'v21.7.0', 'v23.1.0'])('Node %s', async (version) => {
    const project = workshop.newProject();
    const fake = `data:text/javascript,Object.defineProperty(process,'version',{value:'${version}'})`;
    const line = failureLine(await project.setUp({}, ['--import', fake]));
    expect(line).toContain(`Node 20 or 22 is needed, this is ${version}`);
    expect(line).toContain('nvm install 22');
    expect(project.calls()).toEqual([]);
  });

  test.each([
    ['python3', /python3 is not on the PATH.*apt-get install python3 python3-pip/],
    ['g++', /g\+\+ is not on the PATH.*apt-get install g\+\+/],
    ['npm', /npm is not on the PATH.*install Node/],
  ])('no %s, before anything is downloaded', async (program, message) => {
    const project = workshop.newProject();
    project.removeProgram(program);
    expect(failureLine(await project.setUp())).toMatch(message);
    expect(project.calls()).toEqual([]);
    expect(project.has('node_modules')).toBe(false);
  });

  test('no pip', async () => {
    const project = workshop.newProject();
    expect(failureLine(await project.setUp({ FAKE_NO_PIP: '1' }))).toMatch(
      /python3 has no pip.*apt-get install python3-pip/,
    );
    expect(project.calls()).toEqual([]);
  });

  test.each([
    [
      'FAKE_PIP_ERROR',
      'ERROR: Max retries exceeded with url: /simple/tensorflow-cpu/',
      /pip could not reach .* download tensorflow-cpu 9\.9\.9\. .*PIP_INDEX_URL/,
    ],
    [
      'FAKE_PIP_ERROR',
      'ERROR: No matching distribution found for tensorflow-cpu==9.9.9',
      /pip finds no tensorflow-cpu 9\.9\.9.*LIBTENSORFLOW_DIR/,
    ],
    [
      'FAKE_PIP_ERROR',
      'ERROR: Could not install: [Errno 28] No space left on device',
      /disk is full .*Free some space/,
    ],
    [
      'FAKE_PIP_ERROR',
      'ERROR: something new',
      /pip failed on tensorflow-cpu 9\.9\.9: ERROR: something new.*setup\.log/,
    ],
    ['FAKE_NPM_ERROR', 'npm error code EAI_AGAIN', /npm could not reach .*mirror/],
    [
      'FAKE_NPM_ERROR',
      'npm error nospc ENOSPC: no space left on device, write',
      /disk is full .*Free some space/,
    ],
    [
      'FAKE_GXX_ERROR',
      'a.cc:1:1: fatal error: string: No such file or directory',
      /g\+\+ could not compile .*fatal error: string.*g\+\+ 8 or newer/,
    ],
  ])('%s: %s', async (variable, output, message) => {
    const project = workshop.newProject();
    expect(failureLine(await project.setUp({ [variable]: output }))).toMatch(message);
    expectReady(project, await project.setUp());
  });

  test('the wheel is not the one that was pinned', async () => {
    const project = workshop.newProject();
    const other = join(workshop.folder, 'other-wheels');
    workshop.makeWheels(other, { [cpuWheel]: { files: { 'tensorflow/evil': 'x' } } });
    const line = failureLine(await project.setUp({ FAKE_WHEELS: other }));
    expect(line).toMatch(
      /checksum of tensorflow_cpu-1\.whl is wrong: SHA-256 [0-9a-f]{64} instead of [0-9a-f]{64}.*again/,
    );
    expectReady(project, await project.setUp());
  });

  test('a file in the wheel is not the one that its record says', async () => {
    const project = workshop.newProject();
    const forged = join(workshop.folder, 'forged-wheels');
    workshop.makeWheels(forged, {
      ...wheels,
      [cpuWheel]: { files: wheels[cpuWheel]?.files ?? {}, forged: 'tensorflow/libtensorflow_cc.so.2' },
    });
    project.pin(forged);
    const line = failureLine(await project.setUp({ FAKE_WHEELS: forged }));
    expect(line).toMatch(
      /checksum of a file in .* is wrong: tensorflow\/libtensorflow_cc\.so\.2 has sha256=/,
    );
    expect(project.has('.engine/engine.json')).toBe(false);
  });

  test('LOCKSTEP_ENGINE has a value that means nothing', async () => {
    const project = workshop.newProject();
    expect(failureLine(await project.setUp({ LOCKSTEP_ENGINE: 'cuda' }))).toMatch(
      /LOCKSTEP_ENGINE is "cuda"\. Set it to cpu or gpu/,
    );
  });

  test('LIBTENSORFLOW_DIR names nothing, or a folder that lacks files', async () => {
    const project = workshop.newProject();
    const directory = project.path('empty');
    expect(failureLine(await project.setUp({ LIBTENSORFLOW_DIR: directory }))).toMatch(
      /empty, which is no folder\. Set it to/,
    );
    mkdirSync(directory);
    writeFileSync(join(directory, 'libtensorflow_cc.so.2'), '');
    expect(failureLine(await project.setUp({ LIBTENSORFLOW_DIR: directory }))).toMatch(
      /empty, which lacks libtensorflow_framework\.so\.2 and include\/tensorflow\/c\/c_api\.h\. Set it to/,
    );
  });

  test('the library can not be loaded', async () => {
    const project = workshop.newProject();
    const notAnAddon = project.path('package.json');
    expect(failureLine(await project.setUp({ FAKE_ADDON: notAnAddon }))).toMatch(
      /can't be loaded: .*glibc 2\.27/,
    );
    expect(project.has('.engine/engine.json')).toBe(false);
  });
});

describe('a full disk', () => {
  const folder = mkdtempSync('/tmp/lockstep-small-disk-');
  const mounted =
    spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', folder], { stdio: 'ignore' }).status === 0;
  if (!mounted) console.warn('no small disk for the disk-full tests: mounting a tmpfs needs root');
  afterAll(() => {
    if (mounted) execFileSync('umount', [folder]);
    rmSync(folder, { recursive: true, force: true });
  });

  test.skipIf(!mounted)('is found before anything is downloaded', async () => {
    const project = workshop.newProject(join(folder, 'early'));
    project.pin(join(workshop.folder, 'wheels'), { installedBytes: 2e9 });
    expect(failureLine(await project.setUp())).toMatch(
      /disk that holds \/tmp\/lockstep-small-disk.* is too full: set-up needs 2\.0 GB, 0\.0 GB are free\. Free some space/,
    );
    expect(project.calls()).toEqual([]);
    rmSync(project.root, { recursive: true });
  });

  test.skipIf(!mounted)('in the middle leaves nothing half done', async () => {
    const big = join(workshop.folder, 'big-wheels');
    const files = { ...wheels[cpuWheel]?.files, 'tensorflow/libtensorflow_cc.so.2': '0'.repeat(8 << 20) };
    workshop.makeWheels(big, { ...wheels, [cpuWheel]: { files } });
    const project = workshop.newProject(join(folder, 'late'));
    project.pin(big);
    expect(failureLine(await project.setUp({ FAKE_WHEELS: big }))).toMatch(
      /disk is full .*\.engine.*Free some space/,
    );
    expect(project.has('.engine/engine.json')).toBe(false);
    expect(project.has('.engine/cpu-9.9.9')).toBe(false);
  });
});

describe('an interrupted set-up', () => {
  test.each(['npm', 'pip', 'unpack', 'g++', 'tsc'] as const)(
    'kill -9 during %s is repaired by the next',
    async (hang) => {
      const project = workshop.newProject();
      const run = await project.hangAt(hang);
      run.kill();
      run.endFake();
      expect((await run.ended).code).toBe(null);
      expect(project.has('dist/.lockstep.json')).toBe(false);
      expectReady(project, await project.setUp());
      const cache = readdirSync(join(project.env.XDG_CACHE_HOME ?? '', 'lockstep'));
      expect(cache.filter((name) => name.startsWith('staging'))).toEqual([]);
    },
  );

  test.each([
    [
      'a library that is missing',
      (p: Project) => rmSync(p.path('.engine/cpu-9.9.9/tensorflow/libtensorflow_cc.so.2')),
      [],
    ],
    [
      'a library that was cut short',
      (p: Project) => p.write('.engine/cpu-9.9.9/tensorflow/libtensorflow_cc.so.2', 'c'),
      [],
    ],
    ['an engine without its record', (p: Project) => rmSync(p.path('.engine/engine.json')), []],
    ['a record that is damaged', (p: Project) => p.write('.engine/engine.json', '{"kind'), []],
    [
      'a record made by hand',
      (p: Project) => p.write('.engine/engine.json', '{"kind":"cpu","version":"9.9.9","libraryPath":"x"}'),
      [],
    ],
    [
      'an addon that was cut short',
      (p: Project) => p.write('node_modules/@tensorflow/tfjs-node-gpu/lib/napi-v8/tfjs_binding.node', 'x'),
      ['g++'],
    ],
    ['a compiled file that is missing', (p: Project) => rmSync(p.path('dist/main.js')), ['tsc']],
    ['no packages', (p: Project) => rmSync(p.path('node_modules'), { recursive: true }), ['npm', 'g++']],
  ])('%s is repaired', async (_, damage, expected) => {
    const project = workshop.newProject();
    await project.setUp();
    project.calls();
    damage(project);
    expectReady(project, await project.setUp());
    expect(programs(project.calls())).toEqual(expected);
  });

  test('a library is replaced beside, never written into: a process that has it open keeps it', async () => {
    const project = workshop.newProject();
    await project.setUp();
    const library = project.path('.engine/cpu-9.9.9/tensorflow/libtensorflow_cc.so.2');
    writeFileSync(library, 'old one');
    const open = openSync(library, 'r');
    try {
      expectReady(project, await project.setUp());
      expect(readFileSync(open, 'utf8')).toBe('old one');
      expect(readFileSync(library, 'utf8')).toBe('cc cpu');
    } finally {
      closeSync(open);
    }
  });
});

describe('two set-ups at once', () => {
  test('install once: the second waits for the first', async () => {
    const project = workshop.newProject();
    const [one, two] = await Promise.all([project.setUp(), project.setUp()]);
    expectReady(project, one);
    expectReady(project, two);
    expect(programs(project.calls())).toEqual(['npm', 'pip', 'g++', 'tsc']);
  });

  test('the second says for whom it waits, and goes on when the first fails', async () => {
    const project = workshop.newProject();
    const one = await project.hangAt('g++');
    const two = project.start();
    try {
      await two.says('waiting for another set-up (process ');
      one.endFake();
      expect(failureLine(await one.ended)).toMatch(/g\+\+ could not compile/);
      expectReady(project, await two.ended);
      expect(programs(project.calls())).toEqual(['npm', 'pip', 'g++', 'g++', 'tsc']);
    } finally {
      one.kill();
      two.kill();
    }
  });

  const lockFolder = () => mkdtempSync(join(workshop.folder, 'lock-'));
  const bootOf = () => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();

  test('a lock whose process id belongs to another process now is taken over', async () => {
    const folder = lockFolder();
    const holder = { pid: process.pid, started: '1', host: `${hostname()} ${bootOf()}` };
    writeFileSync(join(folder, 'lock.4'), JSON.stringify(holder));
    (await takeLock(folder))();
    expect(readdirSync(folder)).toEqual(['lock.5']);
  }, 10_000);

  test('a holder on another host keeps the lock while it touches it, and loses it when silent', async () => {
    const folder = lockFolder();
    writeFileSync(join(folder, 'lock.0'), JSON.stringify({ pid: 1, started: '1', host: 'elsewhere boot' }));
    const waits: string[] = [];
    const release = await takeLock(folder, {
      onWait: (holder) => waits.push(holder),
      pollMs: 5,
      silenceMs: 30,
    });
    expect(waits).toEqual(['process 1 on elsewhere']);
    release();
  });

  test('only one of many processes holds it at a time', async () => {
    const folder = lockFolder();
    const counter = join(folder, 'counter');
    writeFileSync(counter, '0');
    const code = `
      import { readFileSync, writeFileSync } from 'node:fs';
      import { takeLock } from ${JSON.stringify(new URL('../scripts/setup/lock.mjs', import.meta.url).href)};
      for (let i = 0; i < 50; i++) {
        const release = await takeLock(${JSON.stringify(folder)}, { pollMs: 1 });
        const count = Number(readFileSync(${JSON.stringify(counter)}, 'utf8'));
        await new Promise((resolve) => setImmediate(resolve));
        writeFileSync(${JSON.stringify(counter)}, String(count + 1));
        release();
      }`;
    const run = promisify(execFile);
    const processes = Array.from({ length: 4 }, () =>
      run(process.execPath, ['--input-type=module', '-e', code], { timeout: 20_000 }),
    );
    await Promise.all(processes);
    expect(readFileSync(counter, 'utf8')).toBe('200');
  });
});

describe('an installation that is there already', () => {
  test.each([
    ['a site-packages/tensorflow', 'site-packages/tensorflow'],
    ['a site-packages', 'site-packages'],
  ])('%s is used where it lies, and stays in use without the variable', async (_, name) => {
    const project = workshop.newProject();
    const tensorflow = project.path('site-packages/tensorflow');
    for (const [file, text] of Object.entries(wheels[cpuWheel]?.files ?? {})) {
      mkdirSync(join(project.path('site-packages'), file, '..'), { recursive: true });
      writeFileSync(join(project.path('site-packages'), file), text);
    }
    project.removeProgram('python3');
    const first = await project.setUp({ LIBTENSORFLOW_DIR: project.path(name) });
    expect(first.stderr).toMatch(/ready, TensorFlow 9\.9\.9 \(cpu\)/);
    const engine = JSON.parse(project.read('.engine/engine.json'));
    expect(engine.libraryPath).toBe(join(tensorflow, 'libtensorflow_cc.so.2'));
    const calls = project.calls();
    expect(programs(calls)).toEqual(['npm', 'g++', 'tsc']);
    expect(calls[1]).toContain(`-Wl,-rpath,${tensorflow} `);
    expect(calls[1]).toContain(`-I ${join(tensorflow, 'include')} `);

    expect((await project.setUp({ LOCKSTEP_ENGINE: undefined })).code).toBe(0);
    expect(project.calls()).toEqual([]);
  });

  test("libtensorflow's own tarball (lib/ and include/) is used too", async () => {
    const project = workshop.newProject();
    for (const file of [
      'lib/libtensorflow.so.2',
      'lib/libtensorflow_framework.so.2',
      'include/tensorflow/c/c_api.h',
    ]) {
      mkdirSync(join(project.path('module'), file, '..'), { recursive: true });
      writeFileSync(join(project.path('module'), file), 'x');
    }
    expect((await project.setUp({ LIBTENSORFLOW_DIR: project.path('module') })).code).toBe(0);
    expect(project.calls()[1]).toContain('-l:libtensorflow.so.2 -l:libtensorflow_framework.so.2');
  });
});

describe('a GPU', () => {
  test('gets the CUDA build with the packages that its metadata names, where its RUNPATH looks for them', async () => {
    const project = workshop.newProject();
    project.putProgram('nvidia-smi', '#!/bin/sh\n');
    const result = await project.setUp({ LOCKSTEP_ENGINE: undefined });
    expect(result.stderr).toMatch(/ready, TensorFlow 9\.9\.9 \(gpu\)/);
    const pip = project.calls().filter((call) => call.startsWith('pip'));
    expect(pip).toEqual([
      expect.stringMatching(/ tensorflow==9\.9\.9$/),
      expect.stringMatching(/ nvidia-cublas-cu12<13\.0,>=12\.5 nvidia-cuda-nvcc-cu12<13\.0,>=12\.5$/),
    ]);
    const engine = JSON.parse(project.read('.engine/engine.json'));
    expect(engine.kind).toBe('gpu');
    expect(project.read(engine.libraryPath)).toBe('cc gpu');
    const nvidia = join(engine.libraryPath, '../../nvidia');
    expect(project.read(join(nvidia, 'cublas/lib/libcublas.so.12'))).toBe('blas');
    expect(project.has(join(nvidia, 'cublas/include'))).toBe(false);
    expect(statSync(project.path(join(nvidia, 'cuda_nvcc/bin/ptxas'))).mode & 0o111).toBe(0o111);

    // A login node without a GPU shares the folder: nothing changes there.
    project.removeProgram('nvidia-smi');
    expect((await project.setUp({ LOCKSTEP_ENGINE: undefined })).stderr).toMatch(/\(gpu\)/);
    expect(project.calls()).toEqual([]);

    // Whoever asks for the other engine gets it, and the way back needs no download.
    expectReady(project, await project.setUp({ LOCKSTEP_ENGINE: 'cpu' }));
    expect((await project.setUp({ LOCKSTEP_ENGINE: 'gpu' })).stderr).toMatch(/\(gpu\)/);
    expect(programs(project.calls())).toEqual(['pip', 'g++', 'g++']);
  });

  test('the choice', () => {
    const wheel = (kind: 'cpu' | 'gpu') => ({ source: 'wheel', kind }) as const;
    const own = { source: 'directory', kind: 'gpu', directory: '/opt/tf' } as const;
    expect(chooseEngine({}, undefined, false)).toEqual(wheel('cpu'));
    expect(chooseEngine({}, undefined, true)).toEqual(wheel('gpu'));
    expect(chooseEngine({}, wheel('cpu'), true)).toEqual(wheel('gpu'));
    expect(chooseEngine({}, wheel('gpu'), false)).toEqual(wheel('gpu'));
    expect(chooseEngine({ LOCKSTEP_ENGINE: 'cpu' }, wheel('gpu'), true)).toEqual(wheel('cpu'));
    expect(chooseEngine({ LIBTENSORFLOW_DIR: '/opt/tf' }, wheel('cpu'), true)).toEqual(own);
    expect(chooseEngine({}, own, false)).toEqual(own);
    expect(chooseEngine({ LOCKSTEP_ENGINE: 'cpu' }, own, false)).toEqual(wheel('cpu'));
  });

  test('requirements of an extra, with other markers beside it', () => {
    const metadata = [
      'Requires-Dist: a<2,>=1; extra == "and-cuda"',
      "Requires-Dist: b==1 ; (sys_platform == 'linux') and extra == 'and-cuda'",
      'Requires-Dist: c; extra == "and-cuda-more"',
      'Requires-Dist: d>=1',
    ].join('\r\n');
    expect(requirementsOf(metadata, 'and-cuda')).toEqual(['a<2,>=1', 'b==1']);
  });
});

describe('.ci/run', () => {
  const ci = fileURLToPath(new URL('../.ci/run', import.meta.url));
  const runCi = (npm: string) => {
    const folder = mkdtempSync(join(workshop.folder, 'ci-'));
    mkdirSync(join(folder, '.ci'));
    mkdirSync(join(folder, 'bin'));
    cpSync(ci, join(folder, '.ci/run'));
    writeFileSync(join(folder, 'bin/npm'), npm, { mode: 0o755 });
    const env = { ...process.env, PATH: `${join(folder, 'bin')}:${process.env.PATH}` };
    const { status, stdout } = spawnSync(join(folder, '.ci/run'), { env, encoding: 'utf8' });
    return { status, last: stdout.trimEnd().split('\n').at(-1) };
  };
  const npm = (report: unknown, code: number) => `#!/bin/sh
for a in "$@"; do case "$a" in --outputFile.json=*) out=\${a#*=};; esac; done
cat > "$out" <<'END'
${JSON.stringify(report)}
END
exit ${code}
`;

  test("ends with vitest's counts and npm's exit code", () => {
    const testResults = [{ status: 'passed', assertionResults: [{}] }];
    expect(runCi(npm({ numPassedTests: 7, numFailedTests: 0, testResults }, 0))).toEqual({
      status: 0,
      last: '7 passed, 0 failed',
    });
  });

  test('counts failed tests, and files that could not be loaded', () => {
    const testResults = [
      { status: 'failed', assertionResults: [{}] },
      { status: 'failed', assertionResults: [] },
    ];
    expect(runCi(npm({ numPassedTests: 7, numFailedTests: 2, testResults }, 1))).toEqual({
      status: 1,
      last: '7 passed, 3 failed',
    });
  });

  test('says so when no test ran', () => {
    expect(existsSync(ci)).toBe(true);
    expect(runCi('#!/bin/sh\nexit 3\n')).toEqual({ status: 3, last: '0 passed, 0 failed' });
  });
});
