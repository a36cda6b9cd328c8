/** Native functions of ours: set-up compiles each .cc to a .so beside what the module of the same name becomes. */
import { existsSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import koffi from 'koffi';
import { LockstepError } from './errors.js';
import { packageRoot } from './package-root.js';

/**
 * @param module its `import.meta.url`; not compiled itself, it takes what set-up has compiled
 * @param what the library does, for people
 * @throws LockstepError ENGINE when it is not compiled
 */
export function nativeLibrary(module: string, what: string): ReturnType<typeof koffi.load> {
  const path = fileURLToPath(module);
  const file = path.endsWith('.js')
    ? path.replace(/\.js$/, '.so')
    : join(packageRoot, 'dist', relative(join(packageRoot, 'src'), path)).replace(/\.ts$/, '.so');
  if (!existsSync(file)) {
    throw new LockstepError('ENGINE', `${what} is not compiled (${file} is missing).`, {
      hint: 'Run `npm run setup` in the project folder.',
    });
  }
  return koffi.load(file);
}
