import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { networkOf } from './network-option.js';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-network-'));
afterAll(() => rmSync(folder, { recursive: true }));

const said: string[] = [];
const read = (text: string) => networkOf(text, (line) => said.push(line));

/** As the doctor writes it, as far as it matters. */
function report(links: readonly object[]): string {
  const path = join(folder, 'doctor.json');
  writeFileSync(path, JSON.stringify({ format: 1, version: '1', hosts: [], links, linkFindings: [] }));
  return path;
}
const link = (to: string, latencyMs: number, bytesPerSecond: number, more: object = {}) => ({
  ...{ from: 'node1', to, sameMachine: false, path: 'frames', ...more },
  fit: { latencyMs, bytesPerSecond, latencyStandardErrorMs: 0 },
});

it('is a rate and a latency', async () => {
  expect(await read('10gbit,0.05ms')).toEqual({ bytesPerSecond: 1.25e9, delayMs: 0.05 });
  await expect(read('10gbit,soon')).rejects.toThrow("'10gbit,soon' is no link");
});

it('is the slowest link between hosts that the doctor measured', async () => {
  const links = [
    link('node1', 9, 1e6, { sameMachine: true }),
    link('node2', 0.2, 1.25e9),
    // 5 ms for a piece in place of 3.6.
    link('node3', 0.1, 1.25e9, { bothWaysBytesPerSecond: 0.85e9 }),
    { ...link('node4', 1, 1), fit: null, problem: 'is silent' },
  ];
  expect(await read(report(links))).toEqual({ bytesPerSecond: 0.85e9, delayMs: 0.1 });
  expect(said.at(-1)).toContain('slowest of 2 measured links between hosts: node1 – node3');
});

it('has no latency below nothing', async () => {
  expect(await read(report([link('node2', -0.01, 1e9)]))).toEqual({ bytesPerSecond: 1e9, delayMs: 0 });
});

it('says what is no network', async () => {
  await expect(read(report([link('node1', 1, 1e9, { sameMachine: true })]))).rejects.toThrow(
    'has no link between hosts',
  );
  await expect(read(join(folder, 'none.json'))).rejects.toThrow('is no network: ENOENT');
  writeFileSync(join(folder, 'other.json'), '{"format":2}');
  await expect(read(join(folder, 'other.json'))).rejects.toThrow('is no network: ');
});
