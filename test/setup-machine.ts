/** A make-believe machine for set-up: a small project, and a PATH that holds only fake npm, python3, pip and g++. */
import { execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  watch,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const repository = fileURLToPath(new URL('..', import.meta.url));

export interface Result {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Bytes of a wheel's files; `forged` files are not what the wheel's RECORD says. */
interface WheelContent {
  readonly files: Readonly<Record<string, string>>;
  readonly metadata?: string;
  readonly forged?: string;
}

const wheelMaker = `
import base64, hashlib, json, sys, zipfile
for path, content in json.load(sys.stdin).items():
    name = path.rsplit("/", 1)[1].split("-")[0] + "-1.dist-info"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as z:
        rows = []
        files = dict(content["files"], **{name + "/METADATA": content.get("metadata", "Name: x")})
        for file, text in files.items():
            info = zipfile.ZipInfo(file)
            info.external_attr = (0o755 if file.endswith("ptxas") else 0o644) << 16
            z.writestr(info, text)
            recorded = "other" if file == content.get("forged") else text
            digest = base64.urlsafe_b64encode(hashlib.sha256(recorded.encode()).digest()).rstrip(b"=").decode()
            rows.append(f"{file},sha256={digest},{len(text)}")
        z.writestr(name + "/RECORD", "\\n".join(rows))
`;

// An addon that Node can really load: it says which TensorFlow it was linked with, as tfjs's own does.
const addonSource = `
#include <node_api.h>
static napi_value init(napi_env env, napi_value exports) {
  napi_value version;
  napi_create_string_utf8(env, "9.9.9", NAPI_AUTO_LENGTH, &version);
  napi_set_named_property(env, exports, "TF_Version", version);
  return exports;
}
NAPI_MODULE(addon, init)
`;

/** What every project shares, made once for a test file. */
export class Workshop {
  readonly folder = mkdtempSync(join(tmpdir(), 'lockstep-setup-'));
  readonly addon = join(this.folder, 'addon.node');
  readonly python = execFileSync('python3', ['-c', 'import sys; print(sys.executable)'], {
    encoding: 'utf8',
  }).trim();
  private projects = 0;

  constructor() {
    const source = join(this.folder, 'addon.cc');
    writeFileSync(source, addonSource);
    const include = join(repository, 'node_modules/node-api-headers/include');
    execFileSync('g++', ['-shared', '-fPIC', '-I', include, source, '-o', this.addon]);
  }

  /** @param wheels file name to content; the first is what wheels.json pins for the CPU, the second for the GPU */
  makeWheels(folder: string, wheels: Readonly<Record<string, WheelContent>>): void {
    mkdirSync(folder, { recursive: true });
    const byPath = Object.fromEntries(
      Object.entries(wheels).map(([name, content]) => [join(folder, name), content]),
    );
    execFileSync(this.python, ['-c', wheelMaker], { input: JSON.stringify(byPath) });
  }

  newProject(at?: string): Project {
    this.projects += 1;
    return new Project(this, at ?? join(this.folder, `project-${this.projects}`));
  }

  close(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

const python3 = `#!/bin/sh
PATH=/usr/bin:/bin
if [ "$1" = -m ]; then
  [ -n "$FAKE_NO_PIP" ] && { echo "No module named pip" >&2; exit 1; }
  [ "$3" = --version ] && exit 0
  echo "pip $*" >> "$FAKE_LOG"
  while [ $# -gt 0 ]; do [ "$1" = --dest ] && { dest=$2; shift 2; break; }; shift; done
  [ "$FAKE_HANG" = pip ] && { printf half > "$dest/half.whl"; echo $$ > "$FAKE_MARK.new"; mv "$FAKE_MARK.new" "$FAKE_MARK"; exec sleep 120; }
  [ -n "$FAKE_PIP_ERROR" ] && { echo "$FAKE_PIP_ERROR" >&2; exit 1; }
  for spec in "$@"; do
    name=$(echo "$spec" | sed 's/[<>=].*//; s/-/_/g')
    cp "$FAKE_WHEELS/$name"-*.whl "$dest" || exit 1
  done
  exit 0
fi
if [ "$2" = unpack ] && [ "$FAKE_HANG" = unpack ]; then
  "$FAKE_PYTHON" "$@"; echo $$ > "$FAKE_MARK.new"; mv "$FAKE_MARK.new" "$FAKE_MARK"; exec sleep 120
fi
exec "$FAKE_PYTHON" "$@"
`;

const gxx = `#!/bin/sh
PATH=/usr/bin:/bin
echo "g++ $*" >> "$FAKE_LOG"
[ -n "$FAKE_GXX_ERROR" ] && { echo "$FAKE_GXX_ERROR" >&2; exit 1; }
while [ "$1" != -o ]; do shift; done
[ "$FAKE_HANG" = g++ ] && { printf half > "$2"; echo $$ > "$FAKE_MARK.new"; mv "$FAKE_MARK.new" "$FAKE_MARK"; exec sleep 120; }
cp "$FAKE_ADDON" "$2"
`;

const npm = `#!/bin/sh
PATH=/usr/bin:/bin
echo "npm $*" >> "$FAKE_LOG"
mkdir -p node_modules/typescript/bin node_modules/@tensorflow/tfjs-node-gpu/binding
[ "$FAKE_HANG" = npm ] && { echo $$ > "$FAKE_MARK.new"; mv "$FAKE_MARK.new" "$FAKE_MARK"; exec sleep 120; }
[ -n "$FAKE_NPM_ERROR" ] && { echo "$FAKE_NPM_ERROR" >&2; exit 1; }
echo "// source" > node_modules/@tensorflow/tfjs-node-gpu/binding/a.cc
cp "$FAKE_TSC" node_modules/typescript/bin/tsc
`;

const tsc = `
const { appendFileSync, copyFileSync, mkdirSync, readFileSync, readdirSync, renameSync, writeFileSync } = require('node:fs');
appendFileSync(process.env.FAKE_LOG, 'tsc\\n');
mkdirSync('dist', { recursive: true });
for (const name of readdirSync('src').filter((name) => name.endsWith('.ts'))) {
  if (readFileSync('src/' + name, 'utf8').includes('wrong')) {
    console.log('src/' + name + "(1,1): error TS2304: Cannot find name 'wrong'.");
    process.exit(2);
  }
  copyFileSync('src/' + name, 'dist/' + name.replace('.ts', '.js'));
}
if (process.env.FAKE_HANG === 'tsc') {
  writeFileSync(process.env.FAKE_MARK + '.new', String(process.pid));
  renameSync(process.env.FAKE_MARK + '.new', process.env.FAKE_MARK);
  setTimeout(() => {}, 120000);
}
`;

export const cpuWheel = 'tensorflow_cpu-1.whl';
export const gpuWheel = 'tensorflow-1.whl';

const tensorflowFiles = (kind: string) => ({
  'tensorflow/libtensorflow_cc.so.2': `cc ${kind}`,
  'tensorflow/libtensorflow_framework.so.2': `framework ${kind}`,
  'tensorflow/include/tensorflow/c/c_api.h': '// c_api',
  'tensorflow/include/unused/huge.h': '// not needed',
  'tensorflow/python/module.py': '# not needed',
});

/** Wheels as small as they can be, in the layout of the real ones. */
export const wheels: Readonly<Record<string, WheelContent>> = {
  [cpuWheel]: { files: tensorflowFiles('cpu') },
  [gpuWheel]: {
    files: tensorflowFiles('gpu'),
    metadata: [
      'Name: tensorflow',
      'Requires-Dist: numpy>=1.26.0',
      'Requires-Dist: nvidia-cublas-cu12<13.0,>=12.5; extra == "and-cuda"',
      'Requires-Dist: nvidia-cuda-nvcc-cu12<13.0,>=12.5; extra == "and-cuda"',
      'Requires-Dist: other>=1; extra == "gcs-filesystem"',
    ].join('\n'),
  },
  'nvidia_cublas_cu12-1.whl': {
    files: { 'nvidia/cublas/lib/libcublas.so.12': 'blas', 'nvidia/cublas/include/cublas.h': '// not needed' },
  },
  'nvidia_cuda_nvcc_cu12-1.whl': { files: { 'nvidia/cuda_nvcc/bin/ptxas': 'ptxas' } },
};

/** A fresh clone of a small project on the make-believe machine. */
export class Project {
  readonly env: Record<string, string>;
  readonly bin: string;
  private readonly log: string;
  private readonly mark: string;

  constructor(
    workshop: Workshop,
    readonly root: string,
  ) {
    const machine = `${join(workshop.folder, root.replaceAll('/', '_'))}-machine`;
    this.bin = join(machine, 'bin');
    this.log = join(machine, 'calls.log');
    this.mark = join(machine, 'hangs');
    mkdirSync(this.bin, { recursive: true });
    writeFileSync(this.log, '');
    writeFileSync(join(machine, 'tsc.cjs'), tsc);
    for (const [name, script] of Object.entries({ python3, npm, 'g++': gxx })) this.putProgram(name, script);
    this.env = {
      PATH: this.bin,
      HOME: machine,
      XDG_CACHE_HOME: join(machine, 'cache'),
      LOCKSTEP_ENGINE: 'cpu',
      FAKE_LOG: this.log,
      FAKE_MARK: this.mark,
      FAKE_TSC: join(machine, 'tsc.cjs'),
      FAKE_PYTHON: workshop.python,
      FAKE_ADDON: workshop.addon,
      FAKE_WHEELS: join(workshop.folder, 'wheels'),
    };
    mkdirSync(join(root, 'src'), { recursive: true });
    cpSync(join(repository, 'scripts/setup.mjs'), join(root, 'scripts/setup.mjs'));
    cpSync(join(repository, 'scripts/setup'), join(root, 'scripts/setup'), { recursive: true });
    this.write('package.json', '{"name": "small"}');
    this.write('package-lock.json', '{"packages": {"node_modules/typescript": {"version": "1.0.0"}}}');
    this.write('tsconfig.json', '{}');
    this.write('tsconfig.build.json', '{}');
    this.write('src/main.ts', 'export {};');
    this.pin(join(workshop.folder, 'wheels'));
  }

  /** Makes wheels.json name the wheels of that folder, as if they were the real ones. */
  pin(folder: string, sizes: Readonly<Record<string, number>> = {}): void {
    const pinOf = (file: string) => {
      const path = join(folder, file);
      const sum = execFileSync('/usr/bin/sha256sum', [path], { encoding: 'utf8' }).split(' ')[0];
      return {
        file,
        sha256: sum,
        bytes: readFileSync(path).length,
        installedBytes: 100,
        extraBytes: 100,
        ...sizes,
      };
    };
    const pins = {
      version: '9.9.9',
      python: '3.12',
      platforms: ['manylinux_2_27_x86_64'],
      packagesBytes: 100,
      ...sizes,
      cpu: { package: 'tensorflow-cpu', ...pinOf(cpuWheel) },
      gpu: { package: 'tensorflow', extra: 'and-cuda', ...pinOf(gpuWheel) },
    };
    this.write('scripts/setup/wheels.json', JSON.stringify(pins));
  }

  putProgram(name: string, script: string): void {
    writeFileSync(join(this.bin, name), script);
    chmodSync(join(this.bin, name), 0o755);
  }

  removeProgram(name: string): void {
    rmSync(join(this.bin, name));
  }

  path(name: string): string {
    return join(this.root, name);
  }

  has(name: string): boolean {
    return existsSync(this.path(name));
  }

  read(name: string): string {
    return readFileSync(this.path(name), 'utf8');
  }

  write(name: string, text: string): void {
    writeFileSync(this.path(name), text);
  }

  /** The programs that set-up called since the last time this was asked, e.g. `['npm ci', 'pip', 'g++', 'tsc']`. */
  calls(): string[] {
    const lines = readFileSync(this.log, 'utf8').split('\n').filter(Boolean);
    writeFileSync(this.log, '');
    return lines;
  }

  setUp(
    env: Readonly<Record<string, string | undefined>> = {},
    nodeArgs: readonly string[] = [],
  ): Promise<Result> {
    return this.start(env, nodeArgs).ended;
  }

  /** The project as set-up copies it to another folder; neither may need the other. */
  at(root: string): Project {
    return Object.create(this, { root: { value: root } });
  }

  /** Starts set-up and waits until the named fake program hangs in the middle of its work. */
  async hangAt(hang: 'npm' | 'pip' | 'unpack' | 'g++' | 'tsc') {
    const watcher = watch(join(this.mark, '..'));
    const run = this.start({ FAKE_HANG: hang });
    // Set-up starts the fake, so the test must end it by its own id: it outlives a killed set-up.
    const endFake = () => {
      if (existsSync(this.mark)) process.kill(Number(readFileSync(this.mark, 'utf8')), 'SIGKILL');
      rmSync(this.mark, { force: true });
    };
    try {
      const hanging = new Promise<void>((resolve) => {
        watcher.on('change', () => existsSync(this.mark) && resolve());
      });
      await Promise.race([hanging, run.ended]);
      if (!existsSync(this.mark)) throw new Error(`set-up ended before ${hang}: ${(await run.ended).stderr}`);
      return { ...run, endFake };
    } catch (error) {
      run.kill();
      endFake();
      throw error;
    } finally {
      watcher.close();
    }
  }

  start(
    env: Readonly<Record<string, string | undefined>> = {},
    nodeArgs: readonly string[] = [],
    args: readonly string[] = [],
  ) {
    const child = spawn(process.execPath, [...nodeArgs, this.path('scripts/setup.mjs'), ...args], {
      env: { ...this.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    const ended = new Promise<Result>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code) => resolve({ code, stdout, stderr }));
    });
    /** Resolves when stderr has that text; the process must still be running then. */
    const says = (text: string) =>
      new Promise<void>((resolve, reject) => {
        const look = () => stderr.includes(text) && resolve();
        child.stderr.on('data', look);
        child.on('close', () => reject(new Error(`it ended without saying "${text}": ${stderr}`)));
        look();
      });
    return { ended, says, kill: () => child.kill('SIGKILL') };
  }
}
