/** The traces that a run leaves: which steps, and whether what they say can be true. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TraceEvent } from '../src/coordinator/metrics.js';
import { Commands, eventsOf } from './lockstep-command.js';
import { smallConfig } from './small-run.js';

describe('a traced step', () => {
  const commands = new Commands();
  let traces: readonly TraceEvent[];
  beforeAll(async () => {
    const config = join(commands.folder, 'config.yaml');
    writeFileSync(
      config,
      smallConfig({ microBatches: 4, epochs: [1, 1], more: 'exchange: { bucketBytes: 4096 }' }),
    );
    const out = join(commands.folder, 'run');
    const { code, stderr } = await commands.start(['train', config, '--workers', '2', '--out', out]).ended;
    expect(code, stderr).toBe(0);
    traces = await eventsOf(out, 'trace');
  });
  afterAll(() => commands.end());

  it('is the 2nd, 4th, 8th … of each stage', () => {
    // Both stages have 16 steps.
    expect(traces.map(({ stage, step }) => `${stage} ${step}`)).toEqual([
      ...['pretrain 2', 'pretrain 4', 'pretrain 8', 'pretrain 16'],
      ...['train 18', 'train 20', 'train 24', 'train 32'],
    ]);
  });

  it('has all that each rank did', () => {
    for (const { stage, ranks, bytes, workers } of traces) {
      expect([workers, ranks.map(({ rank }) => rank)]).toEqual([2, [0, 1]]);
      expect(bytes.length).toBeGreaterThan(2);
      for (const rank of ranks) {
        expect(rank.buckets).toHaveLength(bytes.length);
        // Two micro-batches a worker; the contrastive stage embeds them first, and gathers.
        expect(rank.runs).toHaveLength(stage === 'pretrain' ? 4 : 2);
        expect(rank.gathers).toHaveLength(stage === 'pretrain' ? 1 : 0);
        expect(rank.input).toHaveLength(2);
      }
    }
  });

  it('has it in the order in which it can only have happened', () => {
    const ascending = (...times: readonly number[]) =>
      expect(times).toEqual([...times].sort((one, other) => one - other));
    for (const { ranks } of traces) {
      for (const { input, runs, gathers, buckets, reported, committed, applied } of ranks) {
        ascending(0, ...input[0]!, ...runs.flat(), reported);
        for (const gather of gathers) ascending(runs[0]![1], ...gather, runs.at(-1)![0]);
        for (const [left, summed, back] of buckets) {
          ascending(runs.at(-1)![0], left, ...(summed === null ? [] : [summed]), back, reported);
        }
        ascending(reported, committed, ...applied);
      }
    }
  });
});
