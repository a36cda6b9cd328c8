import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Join, newKeyPair, parseJoin, readJoinFile, writeJoinFile } from './join.js';

let folder: string;
let path: string;
let written: Join;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lockstep-join-'));
  path = join(folder, 'join.json');
  const { publicKey: coordinatorKey } = newKeyPair();
  written = { endpoint: 'tcp://10.0.0.1:5555', encrypted: true, coordinatorKey, token: newKeyPair() };
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('a join file', () => {
  it('is read as it was written, and only its owner can', async () => {
    await writeJoinFile(path, written);
    expect(readJoinFile(path)).toEqual(written);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it('is refused when others may have read it', async () => {
    await writeJoinFile(path, written);
    chmodSync(path, 0o640);
    expect(() => readJoinFile(path)).toThrow(/can be read by other users/);
  });

  it('is refused when it is not there, or damaged, without a word of what is in it', async () => {
    expect(() => readJoinFile(path)).toThrow(/it is not there/);
    const { secretKey } = written.token;
    for (const text of [`{"token": "${secretKey}`, JSON.stringify({ ...written, more: secretKey })]) {
      writeFileSync(path, text, { mode: 0o600 });
      expect(() => readJoinFile(path)).toThrow(/^Join file \S+ is damaged\.$/);
      expect(() => parseJoin(text, 'LOCKSTEP_JOIN')).toThrow(/^LOCKSTEP_JOIN is damaged\.$/);
    }
  });
});
