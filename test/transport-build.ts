/** Compiles parts of src for tests that start processes, so that no test runs an earlier `npm run build`. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

export interface Build {
  /** Where the compiled `src` is. */
  readonly folder: string;
  remove(): void;
}

/** Compiles some files of src and what they import; the native part is set-up's. The folder lies in the project, where packages are found. */
export function buildSources(files: readonly string[]): Build {
  const parent = path.join(root, 'dist');
  fs.mkdirSync(parent, { recursive: true });
  const folder = fs.mkdtempSync(path.join(parent, 'test-transport-'));
  const project = path.join(folder, 'tsconfig.json');
  const options = { noEmit: false, rootDir: path.join(root, 'src'), outDir: folder };
  fs.writeFileSync(
    project,
    JSON.stringify({
      extends: path.join(root, 'tsconfig.json'),
      compilerOptions: options,
      files: files.map((file) => path.join(root, 'src', file)),
      include: [],
    }),
  );
  const remove = () => fs.rmSync(folder, { recursive: true, force: true });
  try {
    execFileSync(process.execPath, [path.join(root, 'node_modules/typescript/bin/tsc'), '-p', project]);
    for (const native of ['worker/exchange/add.so', 'shared/transport/copy.so']) {
      fs.mkdirSync(path.dirname(path.join(folder, native)), { recursive: true });
      fs.copyFileSync(path.join(parent, native), path.join(folder, native));
    }
  } catch (error) {
    remove();
    throw new Error(String((error as { stdout?: Buffer }).stdout ?? error));
  }
  return { folder, remove };
}
