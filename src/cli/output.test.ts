import { PassThrough } from 'node:stream';
import { beforeEach, describe, expect, it } from 'vitest';
import { LockstepError } from '../shared/errors.js';
import { exitCodeOf, print, wantsJson } from './output.js';

let stdout: PassThrough;
let stderr: PassThrough;
beforeEach(() => {
  stdout = new PassThrough();
  stderr = new PassThrough();
});

const textOf = (stream: PassThrough) => String((stream.read() as Buffer | null) ?? '');
const run = (json: boolean, command: () => Promise<void>, env: NodeJS.ProcessEnv = {}) =>
  exitCodeOf(json, command, { stdout, stderr, env });
const fails = (error: unknown) => async () => {
  throw error;
};

describe('a command', () => {
  it('that ends well has exit code 0 and only its results on stdout', async () => {
    expect(await run(false, async () => void stdout.write('table\n'))).toBe(0);
    expect([textOf(stdout), textOf(stderr)]).toEqual(['table\n', '']);
  });

  it('that fails says so in one line on stderr', async () => {
    const error = new LockstepError('DATA', 'x.bin ends\n  at byte 7.', { hint: 'Download it again.' });
    expect(await run(false, fails(error))).toBe(1);
    expect([textOf(stdout), textOf(stderr)]).toEqual([
      '',
      'lockstep: error: x.bin ends at byte 7. Download it again.\n',
    ]);
  });

  it('that is called wrongly has exit code 2', async () => {
    expect(await run(false, fails(new LockstepError('USAGE', 'no such file')))).toBe(2);
  });

  it('that meets a bug shows the stack, and its causes, only when asked', async () => {
    const error = new TypeError('boom', { cause: new Error('deeper') });
    expect(await run(false, fails(error))).toBe(1);
    expect(textOf(stderr)).toBe(
      'lockstep: error: unexpected TypeError: boom. Run again with LOCKSTEP_DEBUG=1 to see where.\n',
    );
    await run(false, fails(error), { LOCKSTEP_DEBUG: '1' });
    expect(textOf(stderr)).toMatch(
      /^TypeError: boom\n\s+at .*\ncaused by Error: deeper\n\s+at .*\nlockstep: error: /s,
    );
    await run(false, fails('a string'));
    expect(textOf(stderr)).toContain('unexpected a string.');
  });
});

describe('with --json', () => {
  it('stdout holds one document, whatever libraries print', async () => {
    const before = globalThis.console;
    const code = await run(true, async () => {
      console.log('Hi there');
      console.warn('careful');
      print({ accuracy: 0.5, loss: Number.NaN }, stdout);
    });
    expect(code).toBe(0);
    expect(JSON.parse(textOf(stdout))).toEqual({ accuracy: 0.5, loss: null });
    expect(textOf(stderr)).toBe('Hi there\ncareful\n');
    expect(globalThis.console).toBe(before);
  });

  it('an error is a document too', async () => {
    const error = new LockstepError('CONFIG', 'unknown key "sed".', { hint: 'Did you mean "seed"?' });
    expect(await run(true, fails(error))).toBe(1);
    expect(JSON.parse(textOf(stdout))).toEqual({
      error: { code: 'CONFIG', message: 'unknown key "sed".', hint: 'Did you mean "seed"?' },
    });
    expect(textOf(stderr)).toBe('lockstep: error: unknown key "sed". Did you mean "seed"?\n');
  });

  it('is seen before the arguments are parsed', () => {
    expect([['a', '--json'], ['--json=true'], ['--', '--json'], ['--no-json'], []].map(wantsJson)).toEqual([
      true,
      true,
      false,
      false,
      false,
    ]);
  });
});

it('a reader that leaves early is no error', async () => {
  const closed = Object.assign(new Error('closed'), { code: 'EPIPE' });
  expect(await run(false, async () => void stdout.emit('error', closed))).toBe(0);
  const other = Object.assign(new Error('disk'), { code: 'EIO' });
  expect(await run(false, async () => void stdout.emit('error', other))).toBe(1);
});
