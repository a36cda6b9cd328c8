/** Where set-up left libtensorflow: read from the record that `npm run setup` writes. */
import { existsSync, readFileSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { z } from 'zod';
import { LockstepError } from '../errors.js';
import { packageRoot } from '../package-root.js';

const recordSchema = z.object({ kind: z.enum(['cpu', 'gpu']), version: z.string(), libraryPath: z.string() });

export interface Installation {
  readonly kind: 'cpu' | 'gpu';
  readonly version: string;
  /** Absolute path of libtensorflow_cc.so.2. */
  readonly libraryPath: string;
}

/**
 * The engine that set-up installed.
 * @throws LockstepError ENGINE when there is none.
 */
export function readInstallation(root: string = packageRoot): Installation {
  const file = join(root, '.engine', 'engine.json');
  if (!existsSync(file)) {
    throw new LockstepError('ENGINE', `No engine is installed (${file} is missing).`, {
      hint: 'Run `npm run setup` in the project folder.',
    });
  }
  try {
    const record = recordSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
    const { libraryPath } = record;
    return { ...record, libraryPath: isAbsolute(libraryPath) ? libraryPath : join(root, libraryPath) };
  } catch (cause) {
    throw new LockstepError('ENGINE', `The record of the installed engine is damaged: ${file}.`, {
      hint: 'Run `npm run setup` again.',
      cause,
    });
  }
}
